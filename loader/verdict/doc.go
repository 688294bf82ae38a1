// Package verdict judges if a server leaks, from readings of memory before
// and after equal bursts of load: live memory, and what is held beyond it. A verdict is leak, no leak or inconclusive, with the
// growth in bytes per request and its 95% interval. The package is arithmetic only: it
// does no I/O, uses no clock and no randomness, and knows nothing of servers, load or
// reports.
//
// # The question
//
// Machida, Andrzejak, Matias and Vicente ("On the effectiveness of Mann-Kendall
// test for detection of software aging", 2013) found that a trend test on memory
// series gives many false alarms. It tests for any trend at all, assumes independent
// readings, and takes a warm-up for a trend. This package estimates instead how large
// the growth is, and compares its interval with a tolerance, which is an equivalence
// test (Schuirmann 1987). Below the tolerance is no leak; above it and going on is a
// leak; anything else is inconclusive. The absence of evidence is never a verdict.
//
// # The method
//
//  1. Restart. If memory fell to the level of a fresh process, earlier readings are
//     dropped.
//  2. Outliers. Isolated outliers are replaced by the median of five neighbours
//     (Hampel's identifier, 1974).
//  3. Warm-up. The first iteration is dropped, and more while that makes the interval
//     of the rest clearly narrower. This is the idea of MSER (White 1997), with
//     standard errors under noise that decays or is a random walk. Growth, or
//     a fall, must have stopped for long enough not to be a pause between two steps.
//  4. Growth. The slope of the end readings over the cumulative requests, by
//     generalised least squares. The readings are autocorrelated, which decides the
//     width of the interval. Oscillating errors, as from a garbage collector in step
//     with the iterations, cancel out and narrow it (AR(2); Yule 1927). Decaying
//     errors hardly widen it (AR(1); Prais and Winsten 1954). A random walk, as from
//     high-water marks and retained pages, widens it much. Ten readings cannot show
//     which of these applies. So the slope is estimated under 13 noise models,
//     averaged by posterior weight (Bayesian model averaging; Hoeting, Madigan,
//     Raftery and Volinsky 1999), as a regression with autocorrelated errors of
//     unknown persistence (Zellner and Tiao 1964). The prior probability is 30% for
//     decaying noise, 30% for oscillating noise, and 40% for a random walk. The local
//     level as a noise model is Muth's (1960). Each model is whitened by a Kalman
//     filter (Harvey 1989). Vogelsang (1998) and Perron and Yabu (2009) give the
//     reason to test trends without knowing if noise is stationary or a random walk.
//  5. Floor. No interval is narrower than 256 KiB to either side over the judged
//     range: smaller changes are within the granularity of kernel counters and of
//     allocators. Where resident memory is read less exactly, it is what that reading
//     may be off by (Options.Floor).
//  6. Going on. A leak goes on; a cache fills, and a pool of buffers keeps the largest
//     size of each. A line over the requests must fit the judged readings about as well
//     as every curve that levels off: a logarithm, a square root, a power of 0.7, and
//     exponential saturations (likelihood ratios under the same noise models). In few
//     readings it must fit much better (linearEnough). After a warm-up, the line and
//     the decay of that must also explain the whole run better, by their likelihood less
//     half of the logarithm of the readings for each parameter (Schwarz, "Estimating the
//     dimension of a model", 1978). A line alone that fits the rest very much better is
//     enough as well (surelyLinear). There is no leak either in any of these cases: the
//     second half of the requests grows by less than three quarters of the first, with
//     95% probability; steps have stopped, since memory stands still at the end for
//     longer than between any two of them; the warm-up is longer than the rest; the
//     second half alone does not show, with 95% probability, growth above the tolerance;
//     or less than 512 KiB were gained, or 100 requests made. In live memory, isolated
//     steps of tables that double are set aside first.
//  7. Condition. No reading tells a leak from entries that expire after the run, or from a
//     cache that is not full in it. The sentence says for how long, and over how many
//     requests, growth has gone on. Live memory that is freed at rest expires: it is no
//     leak then. A run of unknown length goes on while a usual bound is near, and ends
//     between two looks once that is passed: the leak was found at the look before.
//
// The median of slopes of Theil (1950) and Sen (1968) is not used. It resists
// outliers, which step 2 removes, but its interval assumes independent readings.
// Correcting that by their autocorrelation (Hamed and Rao 1998) takes far more than
// ten readings.
//
// # By parts
//
// Held memory is resident memory, and what is held beside it: swapped out, in pages of
// hugetlbfs, and in files in memory that no process maps. What is lazily freed does not
// count. Pages of mapped files are filling if they count once, but for those that come
// with ever new mappings.
// Where live memory is known, held = live + slack + outside + filling. Steps 2 to 7 are
// applied to each, with a warm-up of its own.
//
//   - Live memory is exact: its grain is 16 bytes, not a page, and its floor 2 KiB or
//     what it moves by without load. It leaks by step 6.
//   - Memory outside the heap is as noisy as resident memory, and warms up for long.
//     It leaks by step 6 if a line fits 20 times as well as a logarithm and a square root. To demand that
//     its whole interval lies below the tolerance would leave nearly all servers open:
//     with 3,000 requests an iteration the floor alone is wider. It is quiet if the
//     upper end of its interval is below a bound (outsideBytes), and if growth is not
//     shown: the estimate is within the floor or the tolerance, or no growth at all has
//     a probability above 10%. A warm-up of two fifths of the iterations is allowed, and
//     a step after that: the second largest gain is compared with the bound.
//   - Slack is bounded by the runtime, and filling by the size of what is mapped. Neither
//     is judged.
//
// It is a leak if live memory or memory outside the heap leaks. There is no leak if the
// interval of live memory lies below the tolerance and memory outside the heap is quiet.
// Leaks outside the heap that gain less than about four standard deviations of a reading
// over the whole run may be missed. The command simulate prints how often, with -parts.
//
// # Workers
//
// Workers that are replaced take with them what they kept, and the server as a whole shows no growth. Then the memory of
// each is judged by the requests that it has answered. Only readings of the same worker are compared: the slope within
// workers (Mundlak, "On the pooling of time series and cross section data", 1978; Bell, Fairbrother and Jones, "Fixed and
// random effects models: making an informed choice", 2019). The first quarter of the age that workers reach is warm-up. The
// readings of a worker depend on each other, those of two do not. So the interval is the cluster jackknife's with a t
// distribution (CV3 of MacKinnon, Nielsen and Webb, "Fast and reliable jackknife and bootstrap methods for cluster-robust
// inference", 2023), no narrower than if each worker's gain were off by the floor, independently. It is a leak if the growth
// is above the tolerance in the older half of the age as well, with 95% probability, and is not surely below three quarters
// of that in the younger half.
//
// # Growth with time
//
// A leak of requests grows under load alone. Where the times of the readings are known,
// the growth over the whole run is estimated as in steps 4 and 5, by time in the place of
// requests. If that is surely growth, so is the growth without load: of resident memory by the
// ratio of all gains in the rests to their length (Cochran, "Sampling Techniques", 1977,
// chapter 6), of a part by one more reading after the rest at the end. It is with time,
// and not with requests, if the lower end of its interval is at least half of the growth
// per second over the whole run.
//
// # Paired comparison of two servers
//
// Matias, Andrzejak, Machida, Elias and Trivedi ("A systematic differential
// analysis for fast and robust detection of software aging", 2014) compare a new
// version with one that is known to be sound under the same load, by the difference of
// the two. Matias, de Sena, Andrzejak and Trivedi ("Software aging detection based on
// differential analysis", 2016) confirmed this on a real program. ComparePaired
// follows them: it applies steps 2, 4 and 5 to the differences of two servers that
// were loaded alternately, in which common drift of the machine cancels. The suspect
// always comes first. With the order reversed in every other pair (ABBA), a linear
// drift would oscillate in the differences. With the same order it adds a constant,
// which does not affect the slope.
//
// # Sequential runs
//
// A run of unknown length may be decided only at a few looks (5, 7, 10, 14, ...
// iterations). The 5% error rate is split equally over them (Bonferroni). By Boole's
// inequality that holds however the looks are correlated. Spending functions (Lan and
// DeMets 1983) need a statistic with independent increments, which a warm-up that is
// estimated anew at each look does not leave.
//
// # Coverage
//
// The estimate is the growth of memory, averaged over the judged requests if
// it is not constant. The interval covers it in at least 91% of runs if noise decays;
// with ten readings it is conservative. If memory grows in few large random jumps, the
// interval is at least that of the share of iterations with a jump (Clopper and Pearson
// 1934). Jumps that did not happen cannot be observed all the same, and coverage is less
// if the noise is a random walk. The commands simulate and calibrate print the coverage
// for synthetic traces and for real runs.
package verdict
