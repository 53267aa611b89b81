module github.com/linx-go/linx-go

go 1.26.0

require (
	github.com/cenkalti/backoff/v5 v5.0.3
	github.com/thejerf/suture/v4 v4.0.6
	github.com/vishvananda/netlink v1.3.1
	go.uber.org/goleak v1.3.0
	golang.org/x/sys v0.50.0
	pgregory.net/rapid v1.3.0
)

require github.com/vishvananda/netns v0.0.5
