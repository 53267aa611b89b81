package reconcile

import (
	"encoding/json"
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// Reports and Status go one way, to be read: an object is its text there, and an error too, so nothing makes
// one of JSON again. What has to come back, LastApplied, is the source's own.

type opJSON struct {
	Verb   Verb   `json:"verb"`
	Object string `json:"object"`
}

func (o Op) json() opJSON { return opJSON{o.Verb, fmt.Sprint(o.Object)} }

// MarshalJSON gives {"verb": "create", "object": "route 10.1.0.0/16 via 10.0.0.2"}.
func (o Op) MarshalJSON() ([]byte, error) { return json.Marshal(o.json()) }

// MarshalJSON gives what it gives of the op, and the text of the error as "error". Where that is the
// kernel's, the name of its errno is in "errno", such as "ENETUNREACH".
func (f Failure) MarshalJSON() ([]byte, error) {
	var errno syscall.Errno
	errors.As(f.Err, &errno)
	return json.Marshal(struct {
		opJSON
		Error string `json:"error"`
		Errno string `json:"errno,omitempty"`
	}{f.Op.json(), fmt.Sprint(f.Err), unix.ErrnoName(errno)})
}

// MarshalJSON gives an object with a Report's fields in lower camel case. Lists that are empty, and Observed
// where it is zero, are left out. Took is a text that time.ParseDuration takes, as "1.5ms".
func (r Report[L]) MarshalJSON() ([]byte, error) {
	type plain Report[L] // without this method
	return json.Marshal(struct {
		plain
		Took string `json:"took"`
	}{plain(r), r.Took.String()})
}

// MarshalJSON gives an object with a Status's fields in lower camel case. Errors are their texts; those that
// are nil, and what else is zero but the flags and counts, are left out.
func (s Status) MarshalJSON() ([]byte, error) {
	type plain Status // without this method
	return json.Marshal(struct {
		plain
		LastEnd      string `json:"lastEnd,omitempty"`
		LastError    string `json:"lastError,omitempty"`
		MonitorError string `json:"monitorError,omitempty"`
		Final        string `json:"final,omitempty"`
	}{plain(s), errorText(s.LastEnd), errorText(s.LastError), errorText(s.MonitorError), errorText(s.Final)})
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
