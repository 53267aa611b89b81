// Package linx is not described yet.
package linx
