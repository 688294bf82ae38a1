package run

import (
	"context"
	"errors"
	"io"
	"net/url"
	"slices"
	"time"

	"leaklab/loader/load"
	"leaklab/loader/scrape"
)

// answerTimeout is how long METRICS_URL and PPROF_URL may take until they begin a response while there is no load.
const answerTimeout = 2 * time.Second

// connections are those that stay open from one iteration to the next.
type connections struct {
	kept  []*load.Kept // of the server, and of the baseline if there is one
	pages []string     // URLs that have to answer meanwhile
}

// keep returns what keeps the connections to one server; nil if they are opened anew in each iteration.
func (c *connections) keep(kept bool) *load.Kept {
	if !kept {
		return nil
	}
	k := new(load.Kept)
	c.kept = append(c.kept, k)
	return k
}

// beside sets the pages that have to answer while connections are kept: METRICS_URL, and what has the profiles. Both may
// be empty.
func (c *connections) beside(metrics, pprof string) {
	if metrics != "" {
		c.pages = append(c.pages, metrics)
	}
	if cheap, err := url.JoinPath(pprof, "cmdline"); pprof != "" && err == nil {
		c.pages = append(c.pages, cheap)
	}
}

// open reports if some are kept now.
func (c *connections) open() bool { return slices.ContainsFunc(c.kept, (*load.Kept).Any) }

// missing reports if one of those that are kept was not opened yet.
func (c *connections) missing() bool { return slices.ContainsFunc(c.kept, (*load.Kept).Missing) }

// close closes those that are kept.
func (c *connections) close() {
	for _, kept := range c.kept {
		kept.Close()
	}
}

// makeRoom keeps no connection from now on if one of the pages answers only when they are closed, and tells so on notes.
// A server with a process or a thread for each connection may have none left for it. A page that does not answer then
// either is not asked again.
func (c *connections) makeRoom(ctx context.Context, notes io.Writer) {
	if !c.open() {
		return
	}
	for _, page := range slices.Clone(c.pages) {
		if !silent(ctx, page) {
			continue
		}
		c.close()
		if !silent(ctx, page) {
			note(notes, "loader: CONNECTIONS=kept:", scrape.Public(page), "answers only when the connections of the load are closed: going on with CONNECTIONS=fresh")
			for _, kept := range c.kept {
				kept.Stop()
			}
			return
		}
		c.pages = slices.DeleteFunc(c.pages, func(other string) bool { return other == page })
	}
}

// silent reports if a page does not begin a response in time. Any other failure is an answer.
func silent(ctx context.Context, page string) bool {
	limited, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	body, err := scrape.Get(limited, page, nil)
	if err == nil {
		_ = body.Close()
	}
	return errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil
}

// afterLoad is called after each load, before the readings.
func (s *session) afterLoad(ctx context.Context) {
	s.connections.makeRoom(ctx, s.screen.Notes)
	s.profiles.afterLoad(ctx)
}
