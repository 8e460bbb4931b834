//! Histograms without the observations above or below a value.
//!
//! Exact if the value is a bucket's bound; else the bucket around it is cut by interpolation. The
//! buckets of custom histograms that reach to an infinity are not cut: their observations are taken
//! as infinite. The sum is estimated anew from what remains, if anything was removed.

use super::{Bucket, FloatHistogram};

impl FloatHistogram {
    /// Without the observations above `bound`.
    pub fn trim_upper(&self, bound: f64) -> Self {
        self.trim(bound, |below| below)
    }

    /// Without the observations below `bound`.
    pub fn trim_lower(&self, bound: f64) -> Self {
        self.trim(bound, |below| 1.0 - below)
    }

    /// Keeps of each bucket the share that `kept` makes of the share below `bound`.
    fn trim(&self, bound: f64, kept: impl Fn(f64) -> f64) -> Self {
        let mut result = self.clone();
        let mut trimmed = Trimmed::default();
        let mut cut = |bucket: &Bucket, count: &mut f64| {
            if bucket.count == 0.0 {
                return;
            }
            let below = self.share_below(bucket, bound);
            let share = kept(below);
            if share < 1.0 {
                trimmed.removed = true;
                *count *= share;
            }
            if share > 0.0 {
                trimmed.count += *count;
                let (mut lower, mut upper) = self.effective_bounds(bucket);
                if below > 0.0 && below < 1.0 {
                    // Only a part remains: the one on the kept side of the bound.
                    if kept(0.0) == 0.0 {
                        upper = bound;
                    } else {
                        lower = bound;
                    }
                }
                trimmed.sum += *count * self.representative(lower, upper);
            }
        };
        let mut zero_count = self.zero_count;
        if self.zero_count != 0.0 {
            cut(&self.zero_bucket(), &mut zero_count);
        }
        for (bucket, count) in self
            .positive_bucket_iter()
            .zip(&mut result.positive_buckets)
        {
            cut(&bucket, count);
        }
        for (bucket, count) in self
            .negative_bucket_iter()
            .zip(&mut result.negative_buckets)
        {
            cut(&bucket, count);
        }
        if !trimmed.removed {
            return self.clone();
        }
        result.zero_count = zero_count;
        result.count = trimmed.count;
        result.sum = trimmed.sum;
        result.compact(0);
        result
    }

    /// Share of a bucket's observations that are below `bound`.
    fn share_below(&self, bucket: &Bucket, bound: f64) -> f64 {
        let (lower, upper) = self.effective_bounds(bucket);
        if bound.is_nan() {
            return 0.0;
        }
        if bound >= upper {
            return 1.0;
        }
        if self.uses_custom_buckets() {
            if bucket.lower == f64::NEG_INFINITY && lower == f64::NEG_INFINITY {
                return if bound > lower { 1.0 } else { 0.0 };
            }
            if upper == f64::INFINITY {
                return 0.0;
            }
        }
        if bound <= lower {
            0.0
        } else {
            self.position(lower, upper, bound)
        }
    }

    /// What stands for the values between two bounds, of which one may be infinite.
    fn representative(&self, lower: f64, upper: f64) -> f64 {
        if lower.is_infinite() {
            upper
        } else if upper.is_infinite() {
            lower
        } else if lower <= 0.0 && upper >= 0.0 {
            f64::midpoint(lower, upper)
        } else {
            self.middle(lower, upper)
        }
    }
}

/// What is left.
#[derive(Debug, Default)]
struct Trimmed {
    removed: bool,
    count: f64,
    sum: f64,
}

#[cfg(test)]
mod tests;
