package scrape

import (
	"errors"
	"fmt"
	"net/url"
)

// The placeholders for a secret part of an address, and for an address that cannot be parsed.
const (
	left       = "xxxxx"
	unreadable = "(an address that cannot be read)"
)

// Public returns an address without its user, password and query, which may be secret. Placeholders stand for them.
func Public(address string) string {
	target, err := url.Parse(address)
	if err != nil {
		return unreadable
	}
	shown := url.URL{Scheme: target.Scheme, Host: target.Host, Path: target.Path}
	if target.User != nil {
		shown.User = url.User(left)
	}
	if target.RawQuery != "" {
		shown.RawQuery = left
	}
	return shown.String()
}

// LeftOut is true if an address from Public has a placeholder.
func LeftOut(shown string) bool {
	target, err := url.Parse(shown)
	if err != nil || shown == unreadable {
		return true
	}
	password, _ := target.User.Password()
	return target.User.Username() == left || password == left || target.RawQuery == left
}

// public returns err, of a request for address, without what Public leaves out.
func public(address string, err error) error {
	var failed *url.Error
	if errors.As(err, &failed) {
		err = failed.Err
	}
	return fmt.Errorf("%s: %w", Public(address), err)
}
