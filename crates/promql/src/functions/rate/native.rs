//! Rates of native histograms.

use std::sync::Arc;

use model::{FloatHistogram, Timestamp};

use crate::column::Point;
use crate::functions::Remarks;
use crate::functions::window::Window;

/// Not available yet: native histogram arithmetic is a later part.
pub(super) fn extrapolated(
    _window: &Window<'_>,
    _counter: bool,
    _per_second: bool,
    _remarks: &mut Remarks<'_>,
) -> Option<Point> {
    None
}

/// Not available yet, as above.
pub(super) fn last_two(
    _previous: (Timestamp, &Arc<FloatHistogram>),
    _last: (Timestamp, &Arc<FloatHistogram>),
    _starts_anew: bool,
    _per_second: bool,
    _remarks: &mut Remarks<'_>,
) -> Option<Point> {
    None
}
