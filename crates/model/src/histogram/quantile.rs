//! Estimates from buckets: quantiles, fractions, average, variance.
//!
//! Within a bucket observations are taken as spread evenly on a logarithmic scale, in the zero
//! bucket and between custom bounds evenly on a linear one.

use gocompat::math::{exp2, log2};

use super::{Bucket, FloatHistogram};

/// What observations of NaN, which are counted but in no bucket, did to an estimate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NanObservations {
    /// There are none that matter.
    None,
    /// They stand above all buckets, so the estimate is too high.
    Skewed,
    /// The quantile falls among them: it is NaN.
    Result,
}

impl FloatHistogram {
    /// The `phi`-quantile. Below 0 it is -Inf, above 1 +Inf, of no observations NaN.
    pub fn quantile(&self, phi: f64) -> (f64, NanObservations) {
        if phi < 0.0 {
            return (f64::NEG_INFINITY, NanObservations::None);
        }
        if phi > 1.0 {
            return (f64::INFINITY, NanObservations::None);
        }
        if self.count == 0.0 || phi.is_nan() {
            return (f64::NAN, NanObservations::None);
        }
        let mut buckets = self.all_buckets();
        // NaNs stand above the last bucket, so that ranks can be counted from below only.
        let forward = self.sum.is_nan() || phi < 0.5;
        let mut rank = if forward { phi } else { 1.0 - phi } * self.count;
        if !forward {
            buckets.reverse();
        }
        let mut count = 0.0;
        let mut at = None;
        for bucket in buckets.iter().filter(|bucket| bucket.count != 0.0) {
            count += bucket.count;
            at = Some(*bucket);
            if count >= rank {
                break;
            }
        }
        // Rounding must not take a rank out of its bucket.
        count = if count > self.count {
            self.count
        } else {
            count
        };
        let Some(bucket) = at else {
            return (f64::NAN, self.nan_result());
        };
        if count < rank {
            let value = if self.sum.is_nan() {
                f64::NAN
            } else {
                bucket.upper
            };
            return (value, self.nan_result());
        }
        let nans = self.nan_observations();
        let (lower, upper) = match self.effective_bounds(&bucket) {
            (f64::NEG_INFINITY, upper) => return (upper, nans),
            (lower, f64::INFINITY) if self.uses_custom_buckets() => return (lower, nans),
            bounds => bounds,
        };
        rank = if forward {
            rank - (count - bucket.count)
        } else {
            count - rank
        };
        let share = rank / bucket.count;
        (self.interpolate(lower, upper, share), nans)
    }

    /// Share of the observations between `lower` and `upper`, and whether observations of NaN,
    /// which are never between, reduce it.
    pub fn fraction(&self, lower: f64, upper: f64) -> (f64, bool) {
        if self.count == 0.0 || lower.is_nan() || upper.is_nan() {
            return (f64::NAN, false);
        }
        let has_nans = self.nan_observations() == NanObservations::Skewed;
        if lower >= upper {
            return (0.0, has_nans);
        }
        let buckets = self.all_buckets();
        let below = |value| {
            let rank = self.rank_of(&buckets, value);
            if rank > self.count { self.count } else { rank }
        };
        ((below(upper) - below(lower)) / self.count, has_nans)
    }

    /// Estimated number of observations up to `value`.
    fn rank_of(&self, buckets: &[Bucket], value: f64) -> f64 {
        let mut rank = 0.0;
        for bucket in buckets {
            let (lower, upper) = self.effective_bounds(bucket);
            if lower >= value {
                return rank;
            }
            if upper > value {
                // Nothing can be said inside a bucket that reaches to an infinity.
                if lower == f64::NEG_INFINITY {
                    return rank + bucket.count;
                }
                return rank + bucket.count * self.position(lower, upper, value);
            }
            rank += bucket.count;
        }
        // Beyond all buckets are the NaNs only, which are never below anything.
        if self.sum.is_nan() { rank } else { self.count }
    }

    /// Average of the observations.
    pub fn average(&self) -> f64 {
        self.sum / self.count
    }

    /// Estimated population variance: all of a bucket's observations are taken as its middle.
    pub fn variance(&self) -> f64 {
        let mean = self.average();
        let (mut sum, mut lost) = (0.0_f64, 0.0_f64);
        for bucket in self
            .all_buckets()
            .iter()
            .filter(|bucket| bucket.count != 0.0)
        {
            let deviation = self.middle(bucket.lower, bucket.upper) - mean;
            let value = bucket.count * deviation * deviation;
            let total = sum + value;
            lost = if total.is_infinite() {
                0.0
            } else if sum.abs() >= value.abs() {
                lost + ((sum - total) + value)
            } else {
                lost + ((value - total) + sum)
            };
            sum = total;
        }
        (sum + lost) / self.count
    }

    /// Estimated population standard deviation.
    pub fn standard_deviation(&self) -> f64 {
        self.variance().sqrt()
    }

    fn nan_result(&self) -> NanObservations {
        if self.sum.is_nan() {
            NanObservations::Result
        } else {
            NanObservations::None
        }
    }

    fn nan_observations(&self) -> NanObservations {
        if !self.sum.is_nan() {
            return NanObservations::None;
        }
        let in_buckets: f64 = self.all_buckets().iter().map(|bucket| bucket.count).sum();
        if in_buckets < self.count {
            NanObservations::Skewed
        } else {
            NanObservations::None
        }
    }

    /// Bounds to interpolate between. The zero bucket ends at zero where nothing is beyond it; the
    /// first custom bucket starts at zero if it can.
    pub(super) fn effective_bounds(&self, bucket: &Bucket) -> (f64, f64) {
        let Bucket {
            mut lower,
            mut upper,
            ..
        } = *bucket;
        if self.uses_custom_buckets() {
            if lower == f64::NEG_INFINITY && upper > 0.0 {
                lower = 0.0;
            }
        } else if lower < 0.0 && upper > 0.0 {
            match (
                self.negative_buckets.is_empty(),
                self.positive_buckets.is_empty(),
            ) {
                (true, false) => lower = 0.0,
                (false, true) => upper = 0.0,
                _ => {}
            }
        }
        (lower, upper)
    }

    /// Whether a bucket is interpolated linearly.
    fn is_linear(&self, lower: f64, upper: f64) -> bool {
        self.uses_custom_buckets() || (lower <= 0.0 && upper >= 0.0)
    }

    /// The value below which `share` of a bucket's observations are.
    fn interpolate(&self, lower: f64, upper: f64, share: f64) -> f64 {
        if self.is_linear(lower, upper) {
            return lower + (upper - lower) * share;
        }
        let (log_lower, log_upper) = (log2(lower.abs()), log2(upper.abs()));
        if lower > 0.0 {
            exp2(log_lower + (log_upper - log_lower) * share)
        } else {
            -exp2(log_upper + (log_lower - log_upper) * (1.0 - share))
        }
    }

    /// Share of a bucket's observations below `value`: the inverse of `interpolate`.
    pub(super) fn position(&self, lower: f64, upper: f64, value: f64) -> f64 {
        if self.is_linear(lower, upper) {
            return (value - lower) / (upper - lower);
        }
        let (log_lower, log_upper) = (log2(lower.abs()), log2(upper.abs()));
        let log_value = log2(value.abs());
        if value > 0.0 {
            (log_value - log_lower) / (log_upper - log_lower)
        } else {
            1.0 - (log_value - log_upper) / (log_lower - log_upper)
        }
    }

    /// What stands for all values between two bounds.
    pub(super) fn middle(&self, lower: f64, upper: f64) -> f64 {
        if self.uses_custom_buckets() {
            f64::midpoint(lower, upper)
        } else if lower <= 0.0 && upper >= 0.0 {
            0.0
        } else {
            let middle = (upper * lower).sqrt();
            if upper < 0.0 { -middle } else { middle }
        }
    }
}

#[cfg(test)]
mod tests;
