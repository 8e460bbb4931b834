//! Classic histograms: quantiles and fractions from cumulative buckets.

/// One cumulative bucket.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Bucket {
    /// Observations up to and including this value.
    pub(crate) upper_bound: f64,
    /// How many.
    pub(crate) count: f64,
}

/// What had to be repaired: lowest and highest bucket bound, largest decrease.
pub(crate) type Repair = (f64, f64, f64);

/// Differences up to this share of the counts are rounding errors.
const SMALL_DELTA: f64 = 1e-12;

/// Estimates the quantile, assuming observations spread evenly within a bucket. Also says whether
/// counts had to be made monotonic. Sorts and changes `buckets`.
pub(crate) fn quantile(phi: f64, buckets: &mut Vec<Bucket>) -> (f64, Option<Repair>) {
    if phi.is_nan() {
        return (f64::NAN, None);
    }
    if phi < 0.0 {
        return (f64::NEG_INFINITY, None);
    }
    if phi > 1.0 {
        return (f64::INFINITY, None);
    }
    if !sort_and_coalesce(buckets) {
        return (f64::NAN, None);
    }
    let repair = make_monotonic(buckets);
    (monotonic_quantile(phi, buckets), repair)
}

fn monotonic_quantile(phi: f64, buckets: &[Bucket]) -> f64 {
    let Some((last, finite)) = buckets.split_last() else {
        return f64::NAN;
    };
    let (Some(first), Some(highest)) = (finite.first(), finite.last()) else {
        return f64::NAN;
    };
    if last.count == 0.0 {
        return f64::NAN;
    }
    let mut rank = phi * last.count;
    // Where NaN is among the counts no comparison holds, and the highest bucket is it.
    let index = first_at_least(finite, rank);
    let Some(bucket) = finite.get(index) else {
        return highest.upper_bound;
    };
    if index == 0 && first.upper_bound <= 0.0 {
        return first.upper_bound;
    }
    let (mut start, mut count) = (0.0, bucket.count);
    if let Some(below) = index.checked_sub(1).and_then(|below| finite.get(below)) {
        start = below.upper_bound;
        count -= below.count;
        rank -= below.count;
    }
    start + (bucket.upper_bound - start) * (rank / count)
}

/// The first bucket whose count is at least `rank`, by halving as in the reference: it matters
/// where counts are NaN.
fn first_at_least(buckets: &[Bucket], rank: f64) -> usize {
    let (mut from, mut to) = (0, buckets.len());
    while from < to {
        let middle = usize::midpoint(from, to);
        if buckets
            .get(middle)
            .is_some_and(|bucket| bucket.count >= rank)
        {
            to = middle;
        } else {
            from = middle + 1;
        }
    }
    from
}

/// Share of the observations within `lower` and `upper`. Sorts and changes `buckets`.
pub(crate) fn fraction(lower: f64, upper: f64, buckets: &mut Vec<Bucket>) -> f64 {
    if !sort_and_coalesce(buckets) {
        return f64::NAN;
    }
    let count = buckets.last().map_or(0.0, |bucket| bucket.count);
    if count == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    let lower_rank = rank_of(lower, buckets).unwrap_or(count).min(count);
    let upper_rank = rank_of(upper, buckets).unwrap_or(count).min(count);
    (upper_rank - lower_rank) / count
}

/// Observations below `value`; `None` if it is above all bounds.
fn rank_of(value: f64, buckets: &[Bucket]) -> Option<f64> {
    let mut rank = 0.0;
    let mut lower_bound = f64::NEG_INFINITY;
    for (index, bucket) in buckets.iter().enumerate() {
        if index == 0 && bucket.upper_bound > 0.0 {
            lower_bound = 0.0;
        }
        if lower_bound >= value {
            return Some(rank);
        }
        if bucket.upper_bound > value {
            // No interpolation in a bucket without a lower bound: none of it is counted.
            if lower_bound == f64::NEG_INFINITY {
                return Some(bucket.count);
            }
            let width = bucket.upper_bound - lower_bound;
            return Some(rank + (bucket.count - rank) * (value - lower_bound) / width);
        }
        rank = bucket.count;
        lower_bound = bucket.upper_bound;
    }
    None
}

/// Sorts by bound and adds up buckets of the same bound; `false` if there is no `+Inf` bucket.
fn sort_and_coalesce(buckets: &mut Vec<Bucket>) -> bool {
    buckets.sort_by(|a, b| a.upper_bound.total_cmp(&b.upper_bound));
    if buckets
        .last()
        .is_none_or(|bucket| bucket.upper_bound != f64::INFINITY)
    {
        return false;
    }
    buckets.dedup_by(|later, earlier| {
        let same = later.upper_bound == earlier.upper_bound;
        if same {
            earlier.count += later.count;
        }
        same
    });
    true
}

/// Takes decreases of the counts away.
fn make_monotonic(buckets: &mut [Bucket]) -> Option<Repair> {
    let (first, rest) = buckets.split_first_mut()?;
    let mut previous = first.count;
    let mut repair: Option<Repair> = None;
    for bucket in rest {
        if bucket.count == previous {
            continue;
        }
        if almost_equal(previous, bucket.count, SMALL_DELTA) {
            bucket.count = previous;
            continue;
        }
        if bucket.count < previous {
            let (bound, decrease) = (bucket.upper_bound, previous - bucket.count);
            let (low, high, most) = repair.unwrap_or((bound, bound, decrease));
            repair = Some((low.min(bound), high.max(bound), most.max(decrease)));
            bucket.count = previous;
            continue;
        }
        previous = bucket.count;
    }
    repair
}

/// Whether two numbers differ by less than a share of their sum.
pub(crate) fn almost_equal(a: f64, b: f64, epsilon: f64) -> bool {
    if a.is_nan() && b.is_nan() || a == b {
        return true;
    }
    let sum = a.abs() + b.abs();
    let difference = (a - b).abs();
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < epsilon * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < epsilon
}

/// The number in an `le` label.
pub(crate) fn parse_bound(text: &str) -> Option<f64> {
    gocompat::float::parse(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(pairs: &[(f64, f64)]) -> Vec<Bucket> {
        pairs
            .iter()
            .map(|(upper_bound, count)| Bucket {
                upper_bound: *upper_bound,
                count: *count,
            })
            .collect()
    }

    const INF: f64 = f64::INFINITY;

    #[test]
    fn quantiles_of_monotonic_buckets() {
        let positive = [(0.1, 50.0), (0.2, 70.0), (1.0, 110.0), (INF, 120.0)];
        assert_eq!(quantile(0.0, &mut buckets(&positive)).0, 0.0);
        assert_eq!(quantile(1.0, &mut buckets(&positive)).0, 1.0);
        let negative = [(-0.2, 1.0), (-0.1, 2.0), (0.3, 2.0), (INF, 3.0)];
        assert_eq!(quantile(0.2, &mut buckets(&negative)).0, -0.2);
        assert!((quantile(0.5, &mut buckets(&negative)).0 + 0.15).abs() < 1e-12);
        assert!(quantile(0.5, &mut buckets(&[(1.0, 2.0)])).0.is_nan());
        assert!(quantile(0.5, &mut buckets(&[(INF, 2.0)])).0.is_nan());
        assert_eq!(
            quantile(0.5, &mut buckets(&[(2.0, 2.0), (INF, 2.0)])).0,
            1.0
        );
    }

    #[test]
    fn decreasing_counts_are_repaired_and_reported() {
        let mut broken = buckets(&[
            (0.1, 20.0),
            (1.0, 10.0),
            (10.0, 50.0),
            (100.0, 40.0),
            (1000.0, 90.0),
            (INF, 80.0),
        ]);
        let (value, repair) = quantile(0.5, &mut broken);
        assert_eq!(value, 8.5);
        assert_eq!(repair, Some((1.0, INF, 10.0)));
    }

    #[test]
    fn fractions_do_not_interpolate_infinite_buckets() {
        let positive = [(1.0, 1.0), (2.0, 3.0), (3.0, 6.0), (INF, 100.0)];
        assert_eq!(fraction(0.0, 1.5, &mut buckets(&positive)), 0.02);
        assert_eq!(fraction(4.0, 5.0, &mut buckets(&positive)), 0.0);
        assert_eq!(
            fraction(f64::NEG_INFINITY, INF, &mut buckets(&positive)),
            1.0
        );
        let negative = [(-3.0, 10.0), (-2.0, 12.0), (-1.0, 15.0), (INF, 100.0)];
        assert_eq!(fraction(-4.0, -2.0, &mut buckets(&negative)), 0.02);
        assert_eq!(
            fraction(f64::NEG_INFINITY, -1.5, &mut buckets(&negative)),
            0.135
        );
    }
}
