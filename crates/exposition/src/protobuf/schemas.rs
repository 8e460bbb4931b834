//! The messages of the format, as far as they are read: field numbers, names, forms.
//!
//! Numbers and names are those of the format's definition (`io.prometheus.client`); names show in
//! errors.

use super::wire::{Kind, Known, Schema};

const fn field(number: u32, name: &'static str, kind: Kind) -> Known {
    Known { number, name, kind }
}

/// A family; its metrics are checked one by one.
pub(super) const METRIC_FAMILY: Schema = Schema {
    name: "MetricFamily",
    fields: &[
        field(1, "Name", Kind::Bytes),
        field(2, "Help", Kind::Bytes),
        field(3, "Type", Kind::Varint),
        field(4, "Metric", Kind::Bytes),
        field(5, "Unit", Kind::Bytes),
    ],
};

/// A metric of a family.
pub(super) const METRIC: Schema = Schema {
    name: "Metric",
    fields: &[
        field(1, "Label", Kind::Message(&LABEL_PAIR)),
        field(2, "Gauge", Kind::Message(&GAUGE)),
        field(3, "Counter", Kind::Message(&COUNTER)),
        field(4, "Summary", Kind::Message(&SUMMARY)),
        field(5, "Untyped", Kind::Message(&UNTYPED)),
        field(6, "TimestampMs", Kind::Varint),
        field(7, "Histogram", Kind::Message(&HISTOGRAM)),
    ],
};

const LABEL_PAIR: Schema = Schema {
    name: "LabelPair",
    fields: &[
        field(1, "Name", Kind::Bytes),
        field(2, "Value", Kind::Bytes),
    ],
};

const GAUGE: Schema = Schema {
    name: "Gauge",
    fields: &[field(1, "Value", Kind::Double)],
};

const UNTYPED: Schema = Schema {
    name: "Untyped",
    fields: &[field(1, "Value", Kind::Double)],
};

const COUNTER: Schema = Schema {
    name: "Counter",
    fields: &[
        field(1, "Value", Kind::Double),
        field(2, "Exemplar", Kind::Message(&EXEMPLAR)),
        field(3, "CreatedTimestamp", Kind::Message(&TIMESTAMP)),
    ],
};

const SUMMARY: Schema = Schema {
    name: "Summary",
    fields: &[
        field(1, "SampleCount", Kind::Varint),
        field(2, "SampleSum", Kind::Double),
        field(3, "Quantile", Kind::Message(&QUANTILE)),
        field(4, "CreatedTimestamp", Kind::Message(&TIMESTAMP)),
    ],
};

const QUANTILE: Schema = Schema {
    name: "Quantile",
    fields: &[
        field(1, "Quantile", Kind::Double),
        field(2, "Value", Kind::Double),
    ],
};

const HISTOGRAM: Schema = Schema {
    name: "Histogram",
    fields: &[
        field(1, "SampleCount", Kind::Varint),
        field(2, "SampleSum", Kind::Double),
        field(3, "Bucket", Kind::Message(&BUCKET)),
        field(4, "SampleCountFloat", Kind::Double),
        field(5, "Schema", Kind::Varint),
        field(6, "ZeroThreshold", Kind::Double),
        field(7, "ZeroCount", Kind::Varint),
        field(8, "ZeroCountFloat", Kind::Double),
        field(9, "NegativeSpan", Kind::Message(&BUCKET_SPAN)),
        field(10, "NegativeDelta", Kind::Varints),
        field(11, "NegativeCount", Kind::Doubles),
        field(12, "PositiveSpan", Kind::Message(&BUCKET_SPAN)),
        field(13, "PositiveDelta", Kind::Varints),
        field(14, "PositiveCount", Kind::Doubles),
        field(15, "CreatedTimestamp", Kind::Message(&TIMESTAMP)),
        field(16, "Exemplars", Kind::Message(&EXEMPLAR)),
    ],
};

const BUCKET: Schema = Schema {
    name: "Bucket",
    fields: &[
        field(1, "CumulativeCount", Kind::Varint),
        field(2, "UpperBound", Kind::Double),
        field(3, "Exemplar", Kind::Message(&EXEMPLAR)),
        field(4, "CumulativeCountFloat", Kind::Double),
    ],
};

const BUCKET_SPAN: Schema = Schema {
    name: "BucketSpan",
    fields: &[
        field(1, "Offset", Kind::Varint),
        field(2, "Length", Kind::Varint),
    ],
};

const EXEMPLAR: Schema = Schema {
    name: "Exemplar",
    fields: &[
        field(1, "Label", Kind::Message(&LABEL_PAIR)),
        field(2, "Value", Kind::Double),
        field(3, "Timestamp", Kind::Message(&TIMESTAMP)),
    ],
};

const TIMESTAMP: Schema = Schema {
    name: "Timestamp",
    fields: &[
        field(1, "Seconds", Kind::Varint),
        field(2, "Nanos", Kind::Varint),
    ],
};
