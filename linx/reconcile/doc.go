// Package reconcile is not described yet.
package reconcile
