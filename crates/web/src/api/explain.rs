//! Plans of queries as JSON. Names of keys are those that other servers with such an answer use
//! (Thanos, Cortex: `analysis`), and ours in addition.

use promql::{Estimate, Explanation};

use crate::json;

/// A node and what is below it.
pub(super) fn write(out: &mut Vec<u8>, node: &Explanation) {
    let mut object = json::Object::open(out);
    object.string("name", &node.name);
    object.string("expr", &node.expr);
    if let Some(actual) = &node.actual {
        let nanos = i64::try_from(actual.time.as_nanos()).unwrap_or(i64::MAX);
        object.string("executionTime", &gocompat::duration::format(nanos));
        object.integer("series", actual.series.cast_signed());
        object.integer("points", actual.points.cast_signed());
        object.integer("totalSamples", actual.samples.cast_signed());
    }
    write_estimate(object.key("estimate"), &node.estimate);
    if !node.children.is_empty() {
        write_estimate(object.key("estimateWithChildren"), &node.total());
        json::array(object.key("children"), &node.children, write);
    }
    object.close();
}

fn write_estimate(out: &mut Vec<u8>, estimate: &Estimate) {
    let mut object = json::Object::open(out);
    object.integer("series", estimate.series.cast_signed());
    object.integer("samples", estimate.samples.cast_signed());
    object.integer("points", estimate.points.cast_signed());
    object.integer("bytes", estimate.bytes.cast_signed());
    object.integer("nanoseconds", estimate.nanoseconds.cast_signed());
    object.close();
}
