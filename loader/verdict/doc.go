// Package verdict judges from readings of resident memory, taken before and
// after equal bursts of load, whether a server leaks: leak, no leak or
// inconclusive, with the growth in bytes per request and an interval that holds
// it with 95% confidence. It is arithmetic only: it reads nothing, has no clock
// and no randomness, and knows nothing of servers, load or reports.
//
// # The question
//
// Machida, Andrzejak, Matias and Vicente ("On the effectiveness of Mann-Kendall
// test for detection of software aging", 2013) found that a trend test on memory
// series gives many false alarms: it asks whether there is any trend, takes
// readings for independent, and takes a warm-up for a trend. This package asks
// instead how large the growth is, and compares the interval with a tolerance,
// which is an equivalence test (Schuirmann 1987): below the tolerance is no leak,
// above it and going on is a leak, anything else is inconclusive. That nothing was
// found is never a verdict.
//
// # The method
//
//  1. Restart. If memory fell to a fresh process's level, what was before is dropped.
//  2. Outliers. Readings that stand out and return are replaced by the median of
//     five neighbours (Hampel's identifier, 1974).
//  3. Warm-up. The first iteration is dropped, and more as long as that makes the
//     interval of the rest clearly narrower, which is the idea of MSER (White
//     1997), reckoned under noise that fades or stays. A stop of growth must last
//     long enough not to be a pause between two steps.
//  4. Growth. The slope of the end readings over the cumulated requests, by
//     generalised least squares. Readings are not independent, and how they
//     depend decides how wide the interval is: errors that swing up and down, as
//     of a collector that keeps step with the iterations, cancel out and narrow it
//     (AR(2); Yule 1927), errors that fade (AR(1); Prais and Winsten 1954) hardly
//     widen it, errors that stay (a random walk, such as high-water marks and
//     retained pages) do much, and ten readings cannot show which it is. So the
//     slope is reckoned under 13 kinds of noise, and the results are averaged by
//     how well each explains the readings: a regression with autocorrelated errors
//     of unknown persistence (Zellner and Tiao 1964), presumed to fade with a
//     probability of 30%, to swing with 30% and to stay with 40%. Local levels as
//     noise are Muth's (1960); each kind is whitened by a Kalman filter (Harvey
//     1989); that trends must be tested without knowing whether noise fades or
//     stays is the point of Vogelsang (1998) and of Perron and Yabu (2009).
//  5. Floor. No interval is narrower than 256 KiB to either side over all that is
//     judged: less than that is how kernels count and allocators take.
//  6. Slowing down. A leak goes on; a cache fills. There is no leak if the second
//     half of the requests grows by less than three quarters of the first, with
//     95% probability under the same noise, if a logarithm explains the readings
//     better than a line, or if more iterations count as warm-up than are left;
//     nor if the second half alone does not show, with 95% probability, growth above
//     the tolerance: what goes up and down a lot may have a trend by chance, but
//     seldom in its half as well.
//
// Theil (1950) and Sen's (1968) median of slopes is not used: it withstands
// outliers, which step 2 removes, but its interval takes readings for independent,
// and correcting that from their autocorrelation (Hamed and Rao 1998) takes far
// more than ten of them.
//
// # Two servers in turns
//
// Matias, Andrzejak, Machida, Elias and Trivedi ("A systematic differential
// analysis for fast and robust detection of software aging", 2014) compare a new
// version with one that is known to be sound under the same load, and look at the
// difference of the two; Matias, de Sena, Andrzejak and Trivedi ("Software aging
// detection based on differential analysis", 2016) found the same of a real
// program. ComparePaired follows them, with steps 2, 4 and 5 on the differences, if
// the two were loaded in turns: what the machine does to both is not in them. The
// suspect always comes first. With the order turned about in every other pair
// (ABBA), a drift that rises evenly would go up and down in the differences; with
// the same order it is the same in each, and the slope has nothing of it.
//
// # Looking while it runs
//
// A run of unknown length may be decided only at a few looks (5, 7, 10, 14, ...
// iterations), each with its equal share of the 5% that may err. By Boole's
// inequality that holds whatever the looks have in common. Spending functions
// (Lan and DeMets 1983) need the statistic's increments to be independent, which
// a warm-up that is estimated anew at each look is not.
//
// # What the interval promises
//
// The growth is that of resident memory, averaged over the judged requests if it
// is not the same throughout. The interval holds it in 91% of runs or more if noise
// fades; with ten readings it is then rather too wide than too narrow. If memory
// grows in few large jumps that come by chance, or errs like a random walk, it holds
// it less often, in four runs of five or fewer with ten readings: jumps that did not
// happen cannot be seen. The commands simulate and calibrate print the figures, for synthetic
// traces and for real runs.
package verdict
