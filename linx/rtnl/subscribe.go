package rtnl

type listener struct{}

func (s *Source) refilter() {}
