package recordtest

import "leaklab/loader/record"

// Sites are three of 812 that were looked at: a class with its place and holders, a place that is sampled, and a class alone
// with a name that is Hostile. The files that were saved come with them.
func Sites() *record.Sites {
	explained := 0.9375
	return &record.Sites{
		LookedAt: 812, FalseDiscoveryRate: 0.05, Explained: &explained, JudgedFirst: 3, JudgedLast: 12, Confidence: 0.95, NamingRequests: 30_000,
		List: []record.Site{
			{
				Class: "int[]", Function: "JavaLeak.register", File: "JavaLeak.java", Line: 9,
				Callers:         []string{"JavaLeak.handle JavaLeak.java:21", "jdk.httpserver/sun.net.httpserver.ServerImpl$Exchange.run ServerImpl.java:870"},
				Holders:         []string{"java.lang.Object[]", "java.util.ArrayList.elementData", "static field JavaLeak.KEPT"},
				BytesPerRequest: record.Interval{Estimate: 104, Low: 103.6875, High: 104.3125}, ObjectsPerRequest: &record.Interval{Estimate: 1, Low: 0.9970703125, High: 1.0029296875},
				BytesEnd: 37_440_000, ObjectsEnd: 360_000,
			},
			{
				Function: "keep", File: "/app/server.js", Line: 12, InFunction: true, Callers: []string{"(anonymous) /app/server.js:20"},
				BytesPerRequest: record.Interval{Estimate: 24.5, Low: 19.25, High: 29.75}, Sampled: true, OneIteration: true, BytesEnd: 735_000, ObjectsEnd: 7_350,
			},
			{
				Class: Hostile, Holders: []string{Hostile},
				BytesPerRequest: record.Interval{Estimate: 12.125, Low: 11.5, High: 12.75}, BytesEnd: 4_365_000,
			},
		},
		Files: []record.ProfileFile{
			{Name: "sites-4711.jfr", Open: "jfr print --events OldObjectSample sites-4711.jfr"},
			{Name: "sites-4712.heapprofile", Open: "Chrome DevTools, Memory, Load profile"},
		},
	}
}
