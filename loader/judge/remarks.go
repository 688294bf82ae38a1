package judge

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"leaklab/loader/load"
)

// Remarks are what there is to say beside the verdict so far, a paragraph each. openFiles is how many files the server
// had open at the most, and filesLimit how many it may have; 0 where that is unknown.
func (j *Judge) Remarks(openFiles, filesLimit int) []string {
	var remarks []string
	for _, remark := range []string{j.errorPages(), j.unanswered(), j.reopened(), outOfFiles(openFiles, filesLimit), j.timeToLimit(), j.counted(), j.tool(), j.ownHeap()} {
		if remark != "" {
			remarks = append(remarks, remark)
		}
	}
	return remarks
}

// errorPages says that the load may not have been what was meant; empty if there is no reason to.
func (j *Judge) errorPages() string {
	bad, status := 0, 0
	for _, i := range j.iterations {
		var good, most uint64
		for code, n := range i.Load.Codes {
			if code == 0 || code/100 == 2 {
				good += n
			} else if n > most {
				most, status = n, code
			}
		}
		if 2*good < i.Load.Requests {
			bad++
		}
	}
	if bad == 0 {
		return ""
	}
	return fmt.Sprintf("In %d of %d iterations most answers were not 2xx but, for the most part, %d %s: this may be the verdict on an error page.",
		bad, len(j.iterations), status, http.StatusText(status))
}

// unanswered says that the server has left most requests without an answer; empty if it has not.
func (j *Judge) unanswered() string {
	bad, failed := 0, make(map[load.Reason]uint64)
	for _, i := range j.iterations {
		lost := uint64(0)
		for reason, n := range i.Load.Errors {
			if reason != load.Status4xx && reason != load.Status5xx {
				lost += n
				failed[reason] += n
			}
		}
		if lost > i.Load.Requests {
			bad++
		}
	}
	if bad == 0 {
		return ""
	}
	most := load.Reasons()[0]
	for _, reason := range load.Reasons() {
		if failed[reason] > failed[most] {
			most = reason
		}
	}
	return fmt.Sprintf("In %d of %d iterations most requests got no answer but, for the most part, the error %s: this is the verdict on the few that did.",
		bad, len(j.iterations), most)
}

// reopened says that the server closes connections that were to stay open; empty if it closes few or none.
func (j *Judge) reopened() string {
	var again, open uint64
	for _, i := range j.iterations {
		again += i.Load.Reopened
		open += uint64(i.Load.Connections)
	}
	if again == 0 || again < open/4 {
		return ""
	}
	return fmt.Sprintf("The server closed connections that CONNECTIONS=kept keeps open: %d were opened again in %d iterations with %d at a time. "+
		"What it keeps for each does not add up then. A longer idle timeout of the server, or more requests for each connection, would show it.",
		again, len(j.iterations), j.Last().Load.Connections)
}

// outOfFiles says that the server had as many files open as it may have; empty if it had not.
func outOfFiles(open, limit int) string {
	if limit == 0 || open < limit {
		return ""
	}
	return fmt.Sprintf("The server had all %d files open that it may have, sockets included (ulimit -n): what connects beyond that has to wait.", limit)
}

// counted says who counted the requests of a load tool; empty if this program did.
func (j *Judge) counted() string {
	if len(j.iterations) == 0 {
		return ""
	}
	if j.Last().Uncounted {
		return "The number of requests is unknown: neither LOAD_COMMAND's output nor METRICS_URL reports it. " +
			"The growth, and TOLERANCE, are in bytes per iteration."
	}
	for _, i := range j.iterations { // in one of them no other loader may have sent any
		if i.Load.Uncounted || i.Requests != i.Load.Arrived() {
			return "The requests were counted by the server: " + i.End.RequestsCounter + " at METRICS_URL."
		}
	}
	return ""
}

// tool says what a load tool leaves out of its count, and if the server has counted more; empty if there is nothing.
func (j *Judge) tool() string {
	var notes []string
	var reported, failed, answered uint64
	for _, i := range j.iterations {
		for _, note := range i.Load.Notes {
			if !slices.Contains(notes, note) {
				notes = append(notes, note)
			}
		}
		if i.Load.Reported && i.Requests == i.Load.Requests && i.ServerCount > 0 {
			reported += i.Load.Requests
			failed += i.Load.ErrorCount()
			answered += i.ServerCount
		}
	}
	if answered-min(answered, reported+failed) > reported/4 {
		notes = append(notes, fmt.Sprintf("The server has counted %d requests where LOAD_COMMAND reports %d. "+
			"A tool may follow redirects, or send a request again, without counting that. The growth is per request that it reports.", answered, reported))
	}
	return strings.Join(notes, " ")
}
