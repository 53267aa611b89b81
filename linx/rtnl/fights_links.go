package rtnl

// foughtLink is a Link as fights know it: by name, and by what is asked for.
type foughtLink struct{ name, text string }

func (l foughtLink) String() string { return l.text }

func foughtOver(l *Link) foughtLink { return foughtLink{l.Name, l.String()} }

func (x *index) placeOfLink(name string, l foughtLink) (at place, desired bool) {
	i, there := x.link[name]
	return place{aLink, i}, there && foughtOver(&x.state.Links[i]) == l
}

// placeOfAdjustment gives the link that asks for what was adjusted.
func (x *index) placeOfAdjustment(a *adjustment) (at place, desired bool) {
	i, there := x.link[a.Name]
	return place{aLink, i}, there && a.Attribute != altNameOf && attributeNamed(a.Attribute).value(&x.state.Links[i]) == a.Applied
}
