package config

import (
	"fmt"
	"slices"
	"strings"

	"leaklab/loader/load"
)

// handshakeFields are the header fields that a WebSocket handshake has in any case.
var handshakeFields = []string{"upgrade", "sec-websocket-key", "sec-websocket-version", "sec-websocket-extensions"}

// besideStreams names the settings that do not go with a WebSocket or an event stream.
func (c Config) besideStreams() (wrong []error) {
	protocol := load.Protocol(c.Protocol)
	if !protocol.Streams() {
		return nil
	}
	not := func(name, value, expected string) {
		wrong = append(wrong, fmt.Errorf("%s=%q: expected %s with PROTOCOL=%s", name, value, expected, protocol))
	}
	if c.Method != "GET" {
		not("METHOD", string(c.Method), "GET")
	}
	if c.Unique.isChosen() && slices.Contains(c.Unique, "method") {
		not("UNIQUE", strings.Join(c.Unique, ","), "no method")
	}
	if c.Unique.isChosen() && protocol == load.SSE && slices.Contains(c.Unique, "body") {
		not("UNIQUE", strings.Join(c.Unique, ","), "no body")
	}
	if c.Align {
		not("ALIGN", "true", "false")
	}
	if protocol != load.SSE {
		for _, field := range c.Headers {
			if slices.Contains(handshakeFields, strings.ToLower(field.Name)) {
				wrong = append(wrong, fmt.Errorf("HEADERS: expected no %s with PROTOCOL=%s: the loader sets it", field.Name, protocol))
			}
		}
		return wrong
	}
	if c.Body != "" {
		wrong = append(wrong, fmt.Errorf("BODY: expected none with PROTOCOL=sse: a subscriber sends nothing"))
	}
	if c.BodyFile != "" {
		not("BODY_FILE", string(c.BodyFile), "none")
	}
	if slices.Contains(c.Shapes, "upload") {
		not("SHAPE", strings.Join(c.Shapes, ","), "no upload")
	}
	stays := func(shape string) bool { return slices.Contains([]string{"keepalive", "slow", "idle"}, shape) }
	if c.Rate > 0 && slices.ContainsFunc(c.Shapes, stays) {
		not("RATE", decimal(c.Rate), "0, or SHAPE=churn, abort or unique, whose subscriptions have a rate,")
	}
	return wrong
}
