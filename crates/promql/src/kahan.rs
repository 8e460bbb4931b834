//! Compensated addition (Neumaier), in the reference's order of operations.

/// Adds `value` to (`sum`, `compensation`).
#[inline]
pub(crate) fn add(value: f64, sum: f64, compensation: f64) -> (f64, f64) {
    let total = sum + value;
    // Without branches: which is larger is not to be foretold.
    let keeps = sum.abs() >= value.abs();
    let larger = if keeps { sum } else { value };
    let smaller = if keeps { value } else { sum };
    let compensation = compensation + ((larger - total) + smaller);
    let infinite = total.is_infinite();
    (total, if infinite { 0.0 } else { compensation })
}

/// Windows whose sums are worked out side by side: one alone waits for each addition.
const LANES: usize = 8;

/// The compensated sum of each window, as adding its values one by one to (0, 0) gives it, with
/// whether it was infinite on the way.
pub(crate) fn sums(
    values: &[f64],
    bounds: &[(usize, usize)],
    mut put: impl FnMut(usize, &[f64], (f64, f64), bool),
) {
    for (group, bounds) in bounds.chunks(LANES).enumerate() {
        let mut windows = [&[][..]; LANES];
        for (window, (begin, end)) in windows.iter_mut().zip(bounds) {
            *window = values.get(*begin..*end).unwrap_or_default();
        }
        let lens = windows.iter().take(bounds.len()).map(|window| window.len());
        let common = lens.min().unwrap_or(0);
        let (mut sums, mut lost, mut infinite) = ([0.0; LANES], [0.0; LANES], [false; LANES]);
        for index in 0..common {
            let mut next = [0.0; LANES];
            for (value, window) in next.iter_mut().zip(&windows) {
                *value = window.get(index).copied().unwrap_or(0.0);
            }
            for lane in 0..LANES {
                (sums[lane], lost[lane]) = add(next[lane], sums[lane], lost[lane]);
                infinite[lane] |= sums[lane].is_infinite();
            }
        }
        for lane in 0..bounds.len() {
            let window = windows[lane];
            for value in window.get(common..).unwrap_or_default() {
                (sums[lane], lost[lane]) = add(*value, sums[lane], lost[lane]);
                infinite[lane] |= sums[lane].is_infinite();
            }
            put(
                group * LANES + lane,
                window,
                (sums[lane], lost[lane]),
                infinite[lane],
            );
        }
    }
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

    pub(crate) fn of_values(values: &[f64]) -> Self {
        let mut mean = Self::default();
        values.iter().for_each(|value| mean.add(*value));
        mean
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
    use proptest::prelude::{prop_assert_eq, proptest};

    use super::*;

    const VALUES: [f64; 9] = [
        0.0,
        -0.0,
        1.5,
        -3.25e-9,
        1e100,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        1.7e308,
    ];

    proptest! {
        #[test]
        fn sums_side_by_side_have_the_bits_of_sums_one_by_one(
            choices in proptest::collection::vec(0..12_usize, 0..80),
            windows in proptest::collection::vec((0..80_usize, 0..40_usize), 0..40),
        ) {
            let value = |choice: &usize| VALUES.get(*choice).copied().unwrap_or(*choice as f64 / 7.0);
            let values: Vec<f64> = choices.iter().map(value).collect();
            let clamp = |at: usize| at.min(values.len());
            let bounds: Vec<(usize, usize)> =
                windows.iter().map(|(at, len)| (clamp(*at), clamp(at + len))).collect();
            let mut seen = 0;
            let mut failed = None;
            sums(&values, &bounds, |number, window, found, infinite| {
                let mut any = false;
                let expected = window.iter().fold((0.0, 0.0), |(sum, lost), value| {
                    let next = add(*value, sum, lost);
                    any |= next.0.is_infinite();
                    next
                });
                let bits = |(sum, lost): (f64, f64)| {
                    [sum, lost].map(|part| if part.is_nan() { 0 } else { part.to_bits() })
                };
                let (begin, end) = bounds[number];
                if bits(found) != bits(expected) || any != infinite || window.len() != end - begin {
                    failed = Some(number);
                }
                seen += 1;
            });
            prop_assert_eq!((seen, failed), (bounds.len(), None));
        }
    }

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
