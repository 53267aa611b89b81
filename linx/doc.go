// Package linx names namespaces, enters them, and links services together.
package linx
