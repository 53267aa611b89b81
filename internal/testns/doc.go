// Package testns gives tests throwaway network namespaces. Only tests and examples import it.
package testns
