//! Compensated addition (Neumaier), in the reference's order of operations.

/// Adds `value` to (`sum`, `compensation`).
#[inline]
pub(crate) fn add(value: f64, sum: f64, compensation: f64) -> (f64, f64) {
    let total = sum + value;
    let compensation = if total.is_infinite() {
        0.0
    } else if sum.abs() >= value.abs() {
        compensation + ((sum - total) + value)
    } else {
        compensation + ((value - total) + sum)
    };
    (total, compensation)
}

/// A running mean: a compensated sum that turns to an incremental mean before it overflows.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Mean {
    count: f64,
    /// The sum, or the mean once `incremental`.
    value: f64,
    compensation: f64,
    incremental: bool,
}

impl Mean {
    /// The mean of `count` values with this compensated sum.
    pub(crate) fn of_sum(count: f64, sum: f64, compensation: f64) -> Self {
        Self {
            count,
            value: sum,
            compensation,
            incremental: false,
        }
    }

    pub(crate) fn add(&mut self, value: f64) {
        self.count += 1.0;
        if !self.incremental {
            let (sum, compensation) = add(value, self.value, self.compensation);
            // The first value is taken as it is: dividing by count-1 below needs two.
            if self.count == 1.0 || !sum.is_infinite() {
                (self.value, self.compensation) = (sum, compensation);
                return;
            }
            self.incremental = true;
            self.value /= self.count - 1.0;
            self.compensation /= self.count - 1.0;
        }
        let share = (self.count - 1.0) / self.count;
        (self.value, self.compensation) = add(
            value / self.count,
            share * self.value,
            share * self.compensation,
        );
    }

    pub(crate) fn value(&self) -> f64 {
        if self.incremental {
            self.value + self.compensation
        } else {
            self.value / self.count + self.compensation / self.count
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_values_survive_large_ones() {
        let (sum, compensation) = [1.0, 1e100, 1.0, -1e100]
            .into_iter()
            .fold((0.0, 0.0), |(sum, compensation), value| {
                add(value, sum, compensation)
            });
        assert_eq!(sum + compensation, 2.0);
    }

    #[test]
    fn the_mean_does_not_overflow() {
        let mut mean = Mean::default();
        for _ in 0..3 {
            mean.add(-9.98e307);
        }
        assert_eq!(mean.value(), -9.98e307);
        let mut infinite = Mean::default();
        [f64::INFINITY, 0.0, f64::INFINITY]
            .into_iter()
            .for_each(|value| infinite.add(value));
        assert_eq!(infinite.value(), f64::INFINITY);
    }
}
