package subject

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
)

// Near tells the addresses that may be loaded without asking from those of strangers. Near are this machine's own
// addresses, loopback, link-local, and the private networks of RFC 1918 and RFC 4193. A name without a dot, as a Compose
// service has, may besides be on any network that this machine is on, since not every engine is set up with private
// ones. The shared addresses of carriers (RFC 6598) are not near: others' machines have them.
type Near struct {
	own   []netip.Addr
	links []netip.Prefix // that a name without a dot may be on
}

// NearTo returns what is near to this machine, for a server at host, a name or an address.
func NearTo(host string) Near {
	var near Near
	interfaces, err := net.InterfaceAddrs()
	if err != nil {
		return near // what is near by itself remains
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

// Has says whether address is near. An IPv4 address may be written as an IPv6 one.
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

// Strangers returns the addresses of host that are not near; none if it has none yet, since its name does not resolve.
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

// Refuse is a net.Dialer's Control: it fails, before anything is sent, if address (IP:port) is not near. A name may
// resolve to another address than it did before.
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
