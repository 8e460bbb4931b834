//! The messages of remote write, as far as they are read: field numbers, names, forms.
//!
//! Numbers and names are those of the protocol's definition (`prometheus.WriteRequest`,
//! `io.prometheus.write.v2.Request`); names show in errors.

use super::wire::{FieldSchema, Kind, Schema, is_two_texts, is_value_and_time, never_plain};

const fn field(number: u32, name: &'static str, kind: Kind) -> FieldSchema {
    FieldSchema { number, name, kind }
}

/// `prometheus.WriteRequest`.
pub(super) const WRITE_REQUEST: Schema = Schema {
    name: "WriteRequest",
    is_plain: never_plain,
    fields: &[
        field(1, "Timeseries", Kind::Message(&TIME_SERIES)),
        field(3, "Metadata", Kind::Message(&METRIC_METADATA)),
    ],
};

const TIME_SERIES: Schema = Schema {
    name: "TimeSeries",
    is_plain: never_plain,
    fields: &[
        field(1, "Labels", Kind::Message(&LABEL)),
        field(2, "Samples", Kind::Message(&SAMPLE)),
        field(3, "Exemplars", Kind::Message(&EXEMPLAR)),
        field(4, "Histograms", Kind::Message(&HISTOGRAM)),
    ],
};

const LABEL: Schema = Schema {
    name: "Label",
    is_plain: is_two_texts,
    fields: &[
        field(1, "Name", Kind::Bytes),
        field(2, "Value", Kind::Bytes),
    ],
};

const SAMPLE: Schema = Schema {
    name: "Sample",
    is_plain: is_value_and_time,
    fields: &[
        field(1, "Value", Kind::Double),
        field(2, "Timestamp", Kind::Varint),
    ],
};

const EXEMPLAR: Schema = Schema {
    name: "Exemplar",
    is_plain: never_plain,
    fields: &[
        field(1, "Labels", Kind::Message(&LABEL)),
        field(2, "Value", Kind::Double),
        field(3, "Timestamp", Kind::Varint),
    ],
};

const METRIC_METADATA: Schema = Schema {
    name: "MetricMetadata",
    is_plain: never_plain,
    fields: &[
        field(1, "Type", Kind::Varint),
        field(2, "MetricFamilyName", Kind::Bytes),
        field(4, "Help", Kind::Bytes),
        field(5, "Unit", Kind::Bytes),
    ],
};

/// A native histogram, in both versions.
const HISTOGRAM: Schema = Schema {
    name: "Histogram",
    is_plain: never_plain,
    fields: &[
        field(1, "CountInt", Kind::Varint),
        field(2, "CountFloat", Kind::Double),
        field(3, "Sum", Kind::Double),
        field(4, "Schema", Kind::Varint),
        field(5, "ZeroThreshold", Kind::Double),
        field(6, "ZeroCountInt", Kind::Varint),
        field(7, "ZeroCountFloat", Kind::Double),
        field(8, "NegativeSpans", Kind::Message(&BUCKET_SPAN)),
        field(9, "NegativeDeltas", Kind::Varints),
        field(10, "NegativeCounts", Kind::Doubles),
        field(11, "PositiveSpans", Kind::Message(&BUCKET_SPAN)),
        field(12, "PositiveDeltas", Kind::Varints),
        field(13, "PositiveCounts", Kind::Doubles),
        field(14, "ResetHint", Kind::Varint),
        field(15, "Timestamp", Kind::Varint),
        field(16, "CustomValues", Kind::Doubles),
        field(17, "StartTimestamp", Kind::Varint),
    ],
};

const BUCKET_SPAN: Schema = Schema {
    name: "BucketSpan",
    is_plain: never_plain,
    fields: &[
        field(1, "Offset", Kind::Varint),
        field(2, "Length", Kind::Varint),
    ],
};

/// `io.prometheus.write.v2.Request`.
pub(super) const REQUEST_V2: Schema = Schema {
    name: "Request",
    is_plain: never_plain,
    fields: &[
        field(4, "Symbols", Kind::Bytes),
        field(5, "Timeseries", Kind::Message(&TIME_SERIES_V2)),
    ],
};

const TIME_SERIES_V2: Schema = Schema {
    name: "TimeSeries",
    is_plain: never_plain,
    fields: &[
        field(1, "LabelsRefs", Kind::Varints),
        field(2, "Samples", Kind::Message(&SAMPLE_V2)),
        field(3, "Histograms", Kind::Message(&HISTOGRAM)),
        field(4, "Exemplars", Kind::Message(&EXEMPLAR_V2)),
        field(5, "Metadata", Kind::Message(&METADATA_V2)),
    ],
};

const SAMPLE_V2: Schema = Schema {
    name: "Sample",
    is_plain: is_value_and_time,
    fields: &[
        field(1, "Value", Kind::Double),
        field(2, "Timestamp", Kind::Varint),
        field(3, "StartTimestamp", Kind::Varint),
    ],
};

const EXEMPLAR_V2: Schema = Schema {
    name: "Exemplar",
    is_plain: never_plain,
    fields: &[
        field(1, "LabelsRefs", Kind::Varints),
        field(2, "Value", Kind::Double),
        field(3, "Timestamp", Kind::Varint),
    ],
};

const METADATA_V2: Schema = Schema {
    name: "Metadata",
    is_plain: never_plain,
    fields: &[
        field(1, "Type", Kind::Varint),
        field(3, "HelpRef", Kind::Varint),
        field(4, "UnitRef", Kind::Varint),
    ],
};
