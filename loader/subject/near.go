package subject

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
)

// Near decides which addresses may be loaded without ALLOW_REMOTE. Near are this machine's addresses, loopback,
// link-local, and the private networks of RFC 1918 and RFC 4193. A name without a dot, such as a Compose service, may
// also be on any network of this machine. Not every container engine uses private ones. The shared address space of
// carriers (RFC 6598) is not near: it may lead to machines of others.
type Near struct {
	own   []netip.Addr
	links []netip.Prefix // networks of this machine, for a name without a dot
}

// NearTo returns the near addresses for a server at host, a name or an address.
func NearTo(host string) Near {
	var near Near
	interfaces, err := net.InterfaceAddrs()
	if err != nil {
		return near // loopback and private networks remain
	}
	for _, address := range interfaces {
		prefix, err := netip.ParsePrefix(address.String())
		if err != nil {
			continue
		}
		near.own = append(near.own, prefix.Addr().Unmap())
		if !strings.ContainsAny(host, ".:") {
			near.links = append(near.links, prefix.Masked())
		}
	}
	return near
}

// Has is true if address is near. It accepts IPv4-mapped IPv6 addresses.
func (n Near) Has(address netip.Addr) bool {
	address = address.Unmap().WithZone("")
	if address.IsLoopback() || address.IsPrivate() || address.IsLinkLocalUnicast() || address.IsUnspecified() {
		return true
	}
	for _, own := range n.own {
		if own == address {
			return true
		}
	}
	for _, link := range n.links {
		if link.Contains(address) {
			return true
		}
	}
	return false
}

// Strangers returns the addresses of host that are not near; none if its name does not resolve yet.
func (n Near) Strangers(ctx context.Context, host string) []netip.Addr {
	addresses, _ := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	var strangers []netip.Addr
	for _, address := range addresses {
		if !n.Has(address) {
			strangers = append(strangers, address.Unmap())
		}
	}
	return strangers
}

// Refuse is a Control of net.Dialer. It fails, before anything is sent, if address (IP:port) is not near: a name may
// resolve to another address than before.
func (n Near) Refuse(_, address string, _ syscall.RawConn) error {
	target, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if !n.Has(target.Addr()) {
		return fmt.Errorf("%s is neither of this machine nor of a private network", target.Addr())
	}
	return nil
}
