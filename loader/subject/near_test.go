package subject

import (
	"net"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNear(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1": true, "127.255.0.1": true, "::1": true, "0.0.0.0": true, "::": true,
		"10.0.0.5": true, "172.16.0.1": true, "172.31.255.255": true, "192.168.1.1": true, "fd00::1": true, "fc00::1": true,
		"169.254.1.1": true, "fe80::1": true, "fe80::1%eth0": true, "fd00::1%eth0": true,
		"::ffff:10.0.0.5": true, "::ffff:127.0.0.1": true,
		"192.0.2.1": false, "8.8.8.8": false, "172.15.255.255": false, "172.32.0.0": false, "192.169.0.1": false, "11.0.0.1": false,
		"100.64.0.1": false, "224.0.0.1": false, "255.255.255.255": false,
		"2001:db8::1": false, "fec0::1": false, "ff02::1": false, "::ffff:192.0.2.1": false, "::ffff:100.64.0.1": false, "64:ff9b::a00:1": false,
	} {
		assert.Equal(t, want, Near{}.Has(netip.MustParseAddr(address)), address)
	}
}

func TestOwnAddressesAreNear(t *testing.T) {
	own := Near{own: []netip.Addr{netip.MustParseAddr("198.51.100.7")}}
	assert.True(t, own.Has(netip.MustParseAddr("198.51.100.7")))
	assert.True(t, own.Has(netip.MustParseAddr("::ffff:198.51.100.7")))
	assert.False(t, own.Has(netip.MustParseAddr("198.51.100.8")), "a neighbour")

	interfaces, err := net.InterfaceAddrs()
	require.NoError(t, err)
	near := NearTo("example.org")
	for _, address := range interfaces {
		assert.True(t, near.Has(netip.MustParsePrefix(address.String()).Addr()), address)
	}
	assert.Empty(t, near.links, "a name with dots is no Compose service")
	assert.Empty(t, NearTo("2001:db8::1").links)
	assert.Len(t, NearTo("server").links, len(interfaces))

	service := Near{links: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}}
	assert.True(t, service.Has(netip.MustParseAddr("198.51.100.8")))
	assert.False(t, service.Has(netip.MustParseAddr("192.0.2.1")))
}

func TestStrangers(t *testing.T) {
	addresses := func(host string) []netip.Addr { return Near{}.Strangers(t.Context(), host) }
	assert.Empty(t, addresses("127.0.0.1"))
	assert.Empty(t, addresses("localhost"))
	assert.Empty(t, addresses("::ffff:10.0.0.1"))
	assert.Equal(t, []netip.Addr{netip.MustParseAddr("192.0.2.1")}, addresses("192.0.2.1"))
	assert.Equal(t, []netip.Addr{netip.MustParseAddr("192.0.2.1")}, addresses("::ffff:192.0.2.1"))
	assert.Equal(t, []netip.Addr{netip.MustParseAddr("2001:db8::1")}, addresses("2001:db8::1"))
	assert.Empty(t, addresses("no-such-name.invalid"), "it does not resolve")
}

// A connection is refused by its own address, whatever the name resolved to before.
func TestDialingAStrangerIsRefused(t *testing.T) {
	dialer := net.Dialer{Control: Near{}.Refuse}
	_, err := dialer.DialContext(t.Context(), "tcp", "192.0.2.1:80")
	assert.ErrorContains(t, err, "192.0.2.1 is neither of this machine nor of a private network")

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	conn, err := dialer.DialContext(t.Context(), "tcp", listener.Addr().String())
	require.NoError(t, err)
	require.NoError(t, conn.Close())
}
