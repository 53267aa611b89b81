package member

import (
	"fmt"
	"reflect"
)

// Name is what to call a service, or a source, in errors and logs: what its String method says, or its type.
func Name(service any) string {
	if s, ok := service.(fmt.Stringer); ok {
		return s.String()
	}
	return fmt.Sprintf("%T", service)
}

// IsNil sees through an interface that holds a nil: a service is most often a pointer.
func IsNil(service any) bool {
	switch v := reflect.ValueOf(service); v.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Func, reflect.Map, reflect.Slice, reflect.Chan:
		return v.IsNil()
	default:
		return false
	}
}
