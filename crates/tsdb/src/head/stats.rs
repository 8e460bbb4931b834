//! What the head holds, in numbers.

use super::Head;
use super::series::StripCursor;
use super::symbols::SymbolId;

/// A name and a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedCount {
    /// Metric name, label name, or `name=value`.
    pub name: String,
    /// Series, values or bytes.
    pub count: u64,
}

/// The head at a glance.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HeadStats {
    /// Series.
    pub series_count: u64,
    /// Distinct pairs of label name and value.
    pub label_pair_count: u64,
    /// Chunks, open ones included.
    pub chunk_count: u64,
    /// Oldest time; `i64::MAX` when empty.
    pub min_time: i64,
    /// Newest time; `i64::MIN` when empty.
    pub max_time: i64,
}

/// Who makes the head large: the `limit` largest of each kind, descending.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CardinalityStats {
    /// Series by metric name.
    pub series_by_metric_name: Vec<NamedCount>,
    /// Values by label name.
    pub values_by_label_name: Vec<NamedCount>,
    /// Bytes of values, counted for each series, by label name.
    pub bytes_by_label_name: Vec<NamedCount>,
    /// Series by pair, as `name=value`.
    pub series_by_label_pair: Vec<NamedCount>,
}

/// Heap bytes of the head by purpose, as far as it knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemoryStats {
    /// Series states and label sets.
    pub series_bytes: usize,
    /// Open chunks.
    pub open_chunk_bytes: usize,
    /// Closed chunks.
    pub closed_chunk_bytes: usize,
    /// Strings and their index.
    pub symbol_bytes: usize,
    /// Postings.
    pub postings_bytes: usize,
    /// Index by label set, references, tables.
    pub index_bytes: usize,
}

impl Head {
    /// The head at a glance; looks at every series.
    pub(crate) fn stats(&self) -> HeadStats {
        let symbols = self.symbols.read();
        let names = self.postings.names();
        let pairs = names.iter().filter_map(|name| self.postings.name(*name));
        HeadStats {
            series_count: u64::from(self.series.count()),
            label_pair_count: pairs
                .map(|name| name.read().values(&symbols).len() as u64)
                .sum(),
            chunk_count: self.chunk_count(),
            min_time: self.min_time().unwrap_or(i64::MAX),
            max_time: self.max_time().unwrap_or(i64::MIN),
        }
    }

    /// Chunks, open ones included.
    fn chunk_count(&self) -> u64 {
        let mut cursor = StripCursor::default();
        let count = |slot| {
            Some(
                self.series
                    .seek(&mut cursor, slot)?
                    .series(slot)?
                    .chunk_count(),
            )
        };
        (0..self.series.len()).filter_map(count).sum::<usize>() as u64
    }

    /// Who makes the head large.
    pub(crate) fn cardinality(&self, limit: usize) -> CardinalityStats {
        let symbols = self.symbols.read();
        let mut stats = CardinalityStats::default();
        for name in self.postings.names() {
            let Some(postings) = self.postings.name(name) else {
                continue;
            };
            let postings = postings.read();
            let values = postings.values(&symbols);
            let text = symbols.get(name);
            let mut bytes = 0;
            let counts: Vec<(SymbolId, u64)> = values
                .iter()
                .map(|value| (*value, postings.estimate(*value, &symbols) as u64))
                .collect();
            for (value, count) in &counts {
                bytes += symbols.get(*value).len() as u64 * count;
                stats.series_by_label_pair.push(NamedCount {
                    name: format!("{text}={}", symbols.get(*value)),
                    count: *count,
                });
            }
            // Bounded: no more than the largest of all names so far are kept.
            keep_largest(&mut stats.series_by_label_pair, limit);
            if text == model::label_name::METRIC_NAME {
                stats.series_by_metric_name = counts
                    .iter()
                    .map(|(value, count)| NamedCount {
                        name: symbols.get(*value).to_owned(),
                        count: *count,
                    })
                    .collect();
            }
            let named = |count| NamedCount {
                name: text.to_owned(),
                count,
            };
            stats.values_by_label_name.push(named(values.len() as u64));
            stats.bytes_by_label_name.push(named(bytes));
        }
        keep_largest(&mut stats.series_by_metric_name, limit);
        keep_largest(&mut stats.values_by_label_name, limit);
        keep_largest(&mut stats.bytes_by_label_name, limit);
        stats
    }

    /// Heap bytes by purpose; looks at every series.
    pub(crate) fn memory(&self) -> MemoryStats {
        let mut stats = MemoryStats {
            symbol_bytes: self.symbols.read().bytes(),
            postings_bytes: self.postings.bytes(),
            index_bytes: self.label_index_bytes() + self.series.page_bytes(),
            ..MemoryStats::default()
        };
        let strips = self.series.len().div_ceil(super::series::STRIP_LEN);
        for strip in 0..strips {
            if let Some(strip) = self.series.lock(strip * super::series::STRIP_LEN) {
                let [series, open, closed] = strip.heap_bytes();
                stats.series_bytes += series;
                stats.open_chunk_bytes += open;
                stats.closed_chunk_bytes += closed;
            }
        }
        stats
    }
}

fn keep_largest(counts: &mut Vec<NamedCount>, limit: usize) {
    counts.sort_by(|one, other| other.count.cmp(&one.count).then(one.name.cmp(&other.name)));
    counts.truncate(limit);
}
