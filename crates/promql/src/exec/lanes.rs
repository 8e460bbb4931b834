//! Groups that hold floats alone, as nearly all do: counts and sums of all steps side by side, so
//! that a series is added in one pass over two arrays. What does not fit (histograms, a mean that
//! overflows) turns a group into accumulators, which can do everything.

use promql_parser::ast::AggregateOp;

use super::aggregate::Accumulator;
use crate::column::{Column, Kind};
use crate::kahan::{self, Mean};

/// One group at all steps.
#[derive(Debug)]
pub(super) struct Lanes {
    /// Floats seen.
    counts: Vec<f64>,
    /// Sum, extreme, or sum of squared differences from the mean.
    values: Vec<f64>,
    /// Compensation of the sum, or the mean.
    extras: Vec<f64>,
}

impl Lanes {
    pub(super) fn new(op: AggregateOp, len: usize) -> Self {
        let counts_only = matches!(op, AggregateOp::Count | AggregateOp::Group);
        let len_of = |needed: bool| if needed { len } else { 0 };
        let extra = !counts_only && !matches!(op, AggregateOp::Min | AggregateOp::Max);
        Self {
            counts: vec![0.0; len],
            values: vec![0.0; len_of(!counts_only)],
            extras: vec![0.0; len_of(extra)],
        }
    }

    /// Bytes of a group.
    pub(super) fn bytes(len: usize) -> usize {
        3 * len * size_of::<f64>()
    }

    /// Adds a series; `false` if it does not fit, and then nothing is added.
    pub(super) fn add(&mut self, op: AggregateOp, column: &Column) -> bool {
        if column.has_histograms() || op == AggregateOp::Avg && self.overflows(column) {
            return false;
        }
        let samples = column.values().iter().zip(column.kinds());
        match op {
            AggregateOp::Count | AggregateOp::Group => {
                for (count, kind) in self.counts.iter_mut().zip(column.kinds()) {
                    *count += f64::from(u8::from(*kind == Kind::Float));
                }
            }
            AggregateOp::Min | AggregateOp::Max => {
                let largest = op == AggregateOp::Max;
                let lanes = self.counts.iter_mut().zip(&mut self.values);
                for ((count, best), (value, kind)) in lanes.zip(samples) {
                    if *kind != Kind::Float {
                        continue;
                    }
                    let beats = if largest {
                        *value > *best
                    } else {
                        *value < *best
                    };
                    if *count == 0.0 || beats || best.is_nan() {
                        *best = *value;
                    }
                    *count += 1.0;
                }
            }
            AggregateOp::Stddev | AggregateOp::Stdvar => {
                let lanes = self.counts.iter_mut().zip(&mut self.values);
                for (((count, value), mean), (new, kind)) in
                    lanes.zip(&mut self.extras).zip(samples)
                {
                    if *kind != Kind::Float {
                        continue;
                    }
                    *count += 1.0;
                    if *count == 1.0 {
                        *mean = *new;
                        *value = if new.is_finite() { 0.0 } else { f64::NAN };
                    } else {
                        let delta = new - *mean;
                        *mean += delta / *count;
                        *value += delta * (new - *mean);
                    }
                }
            }
            _ => {
                let lanes = self.counts.iter_mut().zip(&mut self.values);
                for (((count, sum), lost), (value, kind)) in
                    lanes.zip(&mut self.extras).zip(samples)
                {
                    if *kind != Kind::Float {
                        continue;
                    }
                    (*sum, *lost) = if *count == 0.0 && op == AggregateOp::Sum {
                        (*value, 0.0)
                    } else {
                        kahan::add(*value, *sum, *lost)
                    };
                    *count += 1.0;
                }
            }
        }
        true
    }

    /// Whether a sum that is behind a mean would become infinite.
    fn overflows(&self, column: &Column) -> bool {
        let samples = column.values().iter().zip(column.kinds());
        let lanes = self.counts.iter().zip(&self.values);
        lanes.zip(samples).any(|((count, sum), (value, kind))| {
            *kind == Kind::Float && *count > 0.0 && (sum + value).is_infinite()
        })
    }

    /// The same group as accumulators.
    pub(super) fn accumulators(&self, op: AggregateOp) -> Vec<Accumulator> {
        let at = |lane: &[f64], step: usize| lane.get(step).copied().unwrap_or(0.0);
        (0..self.counts.len())
            .map(|step| {
                let floats = at(&self.counts, step);
                let (value, extra) = (at(&self.values, step), at(&self.extras, step));
                if op == AggregateOp::Avg {
                    return Accumulator::of_mean(floats, Mean::of_sum(floats, value, extra));
                }
                Accumulator::of_floats(floats, value, extra)
            })
            .collect()
    }

    /// The values of the group.
    pub(super) fn column(&self, op: AggregateOp) -> Column {
        let mut column = Column::absent(self.counts.len());
        for (step, count) in self.counts.iter().enumerate() {
            if *count == 0.0 {
                continue;
            }
            let value = self.values.get(step).copied().unwrap_or(0.0);
            let extra = self.extras.get(step).copied().unwrap_or(0.0);
            column.set_float(
                step,
                match op {
                    AggregateOp::Sum => value + extra,
                    AggregateOp::Avg => value / count + extra / count,
                    AggregateOp::Count => *count,
                    AggregateOp::Group => 1.0,
                    AggregateOp::Stddev => (value / count).sqrt(),
                    AggregateOp::Stdvar => value / count,
                    _ => value,
                },
            );
        }
        column
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert_eq, proptest};

    use super::*;
    use crate::column::Point;

    const OPS: [AggregateOp; 8] = [
        AggregateOp::Sum,
        AggregateOp::Avg,
        AggregateOp::Count,
        AggregateOp::Min,
        AggregateOp::Max,
        AggregateOp::Group,
        AggregateOp::Stddev,
        AggregateOp::Stdvar,
    ];
    const VALUES: [f64; 8] = [
        0.0,
        -0.0,
        1.5,
        -3.25,
        f64::NAN,
        f64::INFINITY,
        1.7e308,
        -1e-300,
    ];

    proptest! {
        #[test]
        fn lanes_give_the_bits_that_accumulators_give(
            rows in proptest::collection::vec(
                proptest::collection::vec(0..10_usize, 3), 0..8),
        ) {
            for op in OPS {
                let mut lanes = Some(Lanes::new(op, 3));
                let mut plain = vec![Accumulator::default(); 3];
                let mut switched: Option<Vec<Accumulator>> = None;
                for row in &rows {
                    let mut column = Column::absent(3);
                    for (step, choice) in row.iter().enumerate() {
                        if let Some(value) = VALUES.get(*choice) {
                            column.set_float(step, *value);
                            plain[step].add(op, *value);
                        }
                    }
                    if let Some(found) = &mut lanes && !found.add(op, &column) {
                        switched = Some(found.accumulators(op));
                        lanes = None;
                    }
                    if let Some(all) = &mut switched {
                        for (step, accumulator) in all.iter_mut().enumerate() {
                            if let Some(value) = column.float(step) {
                                accumulator.add(op, value);
                            }
                        }
                    }
                }
                for (step, accumulator) in plain.iter().enumerate() {
                    let bits = |point: Option<Point>| match point {
                        Some(Point::Float(value)) if value.is_nan() => Some(f64::NAN.to_bits()),
                        Some(Point::Float(value)) => Some(value.to_bits()),
                        _ => None,
                    };
                    let found = match (&lanes, &switched) {
                        (Some(lanes), _) => lanes.column(op).point(step),
                        (None, Some(all)) => all[step].value(op),
                        (None, None) => None,
                    };
                    prop_assert_eq!(bits(found), bits(accumulator.value(op)), "{:?}", op);
                }
            }
        }
    }
}
