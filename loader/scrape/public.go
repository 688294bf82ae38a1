package scrape

import (
	"errors"
	"fmt"
	"net/url"
)

// What stands for what is left out: of an address, and all of it.
const (
	left       = "xxxxx"
	unreadable = "(an address that cannot be read)"
)

// Public is an address as it may be shown: without its user and the values of its query, which may be secret.
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

// LeftOut says whether something is missing in an address as Public shows it.
func LeftOut(shown string) bool {
	target, err := url.Parse(shown)
	if err != nil || shown == unreadable {
		return true
	}
	password, _ := target.User.Password()
	return target.User.Username() == left || password == left || target.RawQuery == left
}

// public is err, of a request for address, without what Public leaves out.
func public(address string, err error) error {
	var failed *url.Error
	if errors.As(err, &failed) {
		err = failed.Err
	}
	return fmt.Errorf("%s: %w", Public(address), err)
}
