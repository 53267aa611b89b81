// Package rtnl is not described yet.
package rtnl
