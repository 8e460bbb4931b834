//! Histograms as text: `{count:3, sum:4.5, [-2,-1):1, [-0.1,0.1]:1, (1,2]:1}`.

use std::fmt::{self, Write as _};

use gocompat::float::format_g;

use super::{Bucket, FloatHistogram, Histogram};

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char(if self.lower_inclusive { '[' } else { '(' })?;
        write!(f, "{},{}", format_g(self.lower), format_g(self.upper))?;
        f.write_char(if self.upper_inclusive { ']' } else { ')' })?;
        write!(f, ":{}", format_g(self.count))
    }
}

impl fmt::Display for FloatHistogram {
    /// Buckets ascending, without the empty ones.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{{count:{}, sum:{}",
            format_g(self.count),
            format_g(self.sum)
        )?;
        let negative: Vec<Bucket> = self.negative_bucket_iter().collect();
        let zero = self.zero_bucket();
        let buckets = negative
            .into_iter()
            .rev()
            .chain([zero])
            .chain(self.positive_bucket_iter());
        for bucket in buckets.filter(|bucket| bucket.count != 0.0) {
            write!(f, ", {bucket}")?;
        }
        f.write_char('}')
    }
}

impl fmt::Display for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_float().fmt(f)
    }
}
