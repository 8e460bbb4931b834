//! From a body to batches: parse, look up or relabel, append.

use exposition::entry::Series;
use exposition::{Entry, Parser, negotiate, series_text};
use model::label_name::{EXPORTED_PREFIX, METRIC_NAME};
use model::labels::LABEL_BYTES_MAX;
use model::staleness::is_stale;
use model::{Exemplar, Labels, LabelsBuilder, Metadata, MetricType, Timestamp, relabel};
use storage::{AppendError, Appender, Batch, BatchTimes, SeriesRef};

use super::{Context, Counts, MAX_AHEAD, Scraped};
use crate::cache::{Entry as Known, EntryId, Found, Scan};
use crate::error::Error;
use crate::fetch::BODY_BYTES_MAX;
use crate::limits;
use crate::metadata::TargetMetadata;
use crate::target::labels_text;
use crate::text_hash::TextHash;

/// Scrapes for which metadata outlives its metric family.
const METADATA_SCRAPES_MAX: u64 = 10;

/// Bytes of a family's name or description that are remembered.
const DESCRIPTION_BYTES_MAX: usize = 1 << 20;

/// The samples of a body, in columns that keep their memory.
#[derive(Debug, Default)]
pub(crate) struct Columns {
    series: Vec<SeriesRef>,
    times: Vec<Timestamp>,
    values: Vec<f64>,
    exemplars: Vec<(u32, Exemplar)>,
    /// Where each sample came from.
    origins: Vec<Origin>,
    /// Whether a sample has a time of its own.
    own_times: bool,
}

#[derive(Debug, Clone, Copy)]
struct Origin {
    entry: EntryId,
    /// Where the text of the series lies in the body. A body is no longer than this can say.
    text: [u32; 2],
    /// Whether its line was unknown before.
    new: bool,
}

const _: () = assert!(BODY_BYTES_MAX <= u32::MAX as u64);

impl Columns {
    fn clear(&mut self) {
        self.series.clear();
        self.times.clear();
        self.values.clear();
        self.exemplars.clear();
        self.origins.clear();
        self.own_times = false;
    }

    /// Bytes of memory they take, exemplars' labels not counted.
    pub(super) fn heap_bytes(&self) -> usize {
        self.series.capacity() * size_of::<SeriesRef>()
            + self.times.capacity() * size_of::<Timestamp>()
            + self.values.capacity() * size_of::<f64>()
            + self.exemplars.capacity() * size_of::<(u32, Exemplar)>()
            + self.origins.capacity() * size_of::<Origin>()
    }
}

/// Samples that were not taken, by reason.
#[derive(Debug, Default)]
struct Refusals {
    out_of_order: usize,
    duplicate: usize,
    out_of_bounds: usize,
    exemplar_out_of_order: usize,
    over_sample_limit: bool,
}

/// Appends the samples of a body.
pub(super) fn ingest(
    context: &Context,
    scan: &mut Scan<'_>,
    columns: &mut Columns,
    appender: &mut dyn Appender,
    scraped: Scraped<'_>,
    counts: &mut Counts,
) -> Result<(), Error> {
    let Scraped {
        body,
        content_type,
        time,
    } = scraped;
    let choice = negotiate::content_format(content_type, context.options.fallback_protocol)
        .map_err(Error::ContentType)?;
    if let Some(remark) = &choice.remark {
        tracing::debug!(
            component = "scrape manager",
            scrape_pool = %context.options.job_name,
            target = %context.target.url(),
            err = %remark,
            "Invalid content type on scrape, using fallback setting."
        );
    }
    scan.reads(choice.format);
    columns.clear();
    let metadata = context.target.metadata_map();
    let mut metadata = metadata.lock();
    let mut run = Run {
        context,
        body,
        scan,
        columns,
        metadata: &mut metadata,
        counts,
        refusals: Refusals::default(),
        kept: 0,
        time,
        time_max: time.saturating_add(MAX_AHEAD.as_millis() as i64),
    };
    let parsed = run.parse(&mut Parser::new(choice.format, body), appender);
    if run.refusals.over_sample_limit {
        context.metrics.exceeded_samples.inc();
    }
    let appended = match parsed {
        Ok(()) if run.refusals.over_sample_limit => Err(Error::SampleLimit),
        Ok(()) => run.append(appender),
        Err(err) => Err(err),
    };
    run.warn();
    if appended.is_ok() {
        let oldest = run.scan.scrape().saturating_sub(METADATA_SCRAPES_MAX);
        run.metadata.forget_before(&context.families, oldest);
    }
    appended
}

/// One body on its way.
struct Run<'a, 's> {
    context: &'a Context,
    body: &'a [u8],
    scan: &'a mut Scan<'s>,
    columns: &'a mut Columns,
    metadata: &'a mut TargetMetadata,
    counts: &'a mut Counts,
    refusals: Refusals,
    /// Samples that count for the sample limit.
    kept: usize,
    time: Timestamp,
    time_max: Timestamp,
}

impl Run<'_, '_> {
    fn parse(&mut self, parser: &mut Parser<'_>, appender: &mut dyn Appender) -> Result<(), Error> {
        loop {
            if let Some(expected) = self.scan.expected() {
                let is_known = |text: &[u8]| self.scan.hash(text) == expected.hash;
                if let Some(series) = parser.next_known(expected.length, is_known) {
                    self.counts.scraped += 1;
                    let found = self.scan.see(expected.id);
                    self.take_known(&found, &series);
                    continue;
                }
            }
            match parser.next_entry()? {
                None => return Ok(()),
                Some(Entry::Series(series)) => {
                    self.counts.scraped += 1;
                    let hash = self.scan.hash(series.text);
                    match self.scan.find(hash) {
                        Some(found) => self.take_known(&found, &series),
                        None => self.take_new(&series, hash, parser.metric_type(), appender)?,
                    }
                }
                Some(Entry::Help { name, text }) => {
                    let end = text.floor_char_boundary(DESCRIPTION_BYTES_MAX);
                    let help = &text[..end];
                    let differs = |known: &Metadata| known.help != help;
                    self.describe(name, differs, |known| help.clone_into(&mut known.help));
                }
                Some(Entry::Type { name, metric_type }) => {
                    let differs = |known: &Metadata| known.metric_type != metric_type;
                    self.describe(name, differs, |known| known.metric_type = metric_type);
                }
                Some(Entry::Unit { name, unit }) => {
                    let unit = unit.get(..DESCRIPTION_BYTES_MAX).unwrap_or(unit);
                    let unit = String::from_utf8_lossy(unit);
                    let differs = |known: &Metadata| known.unit != unit;
                    self.describe(name, differs, |known| {
                        unit.as_ref().clone_into(&mut known.unit);
                    });
                }
                Some(Entry::Comment(_)) => {}
            }
        }
    }

    fn describe(
        &mut self,
        family: &[u8],
        differs: impl FnOnce(&Metadata) -> bool,
        change: impl FnOnce(&mut Metadata),
    ) {
        if family.len() > DESCRIPTION_BYTES_MAX {
            return;
        }
        let scrape = self.scan.scrape();
        let name = String::from_utf8_lossy(family);
        let families = &self.context.families;
        self.metadata
            .describe(families, &name, scrape, differs, change);
    }

    /// The exposed time, if it is to be used.
    fn own_time(&self, series: &Series<'_>) -> Option<Timestamp> {
        series
            .timestamp
            .filter(|_| self.context.options.honor_timestamps)
    }

    /// Whether the sample may be appended at all; counts it if not.
    fn admits(&mut self, value: f64, time: Timestamp) -> bool {
        let limit = self.context.options.sample_limit;
        if limit > 0 && !is_stale(value) {
            self.kept += 1;
            if self.kept > limit {
                self.refusals.over_sample_limit = true;
                return false;
            }
        }
        if time > self.time_max {
            self.refusals.out_of_bounds += 1;
            self.context.metrics.out_of_bounds.inc();
            return false;
        }
        true
    }

    fn take_known(&mut self, found: &Found, series: &Series<'_>) {
        let Some(entry) = self.scan.entry(found.id) else {
            return;
        };
        if entry.metric_type().is_none() {
            return;
        }
        let reference = entry.series();
        self.counts.after_relabelling += 1;
        let own_time = self.own_time(series);
        if found.repeated && own_time.is_none() {
            self.refusals.duplicate += 1;
            self.context.metrics.duplicate_timestamp.inc();
            return;
        }
        let time = own_time.unwrap_or(self.time);
        if !self.admits(series.value, time) {
            return;
        }
        if own_time.is_none() || self.context.options.track_timestamps_staleness {
            self.scan.track(found.id);
        }
        let origin = self.origin(found.id, series.text, false);
        self.push(reference, origin, series, own_time);
    }

    fn take_new(
        &mut self,
        series: &Series<'_>,
        hash: TextHash,
        metric_type: MetricType,
        appender: &mut dyn Appender,
    ) -> Result<(), Error> {
        let labels = match final_labels(self.context, series.text, metric_type) {
            Ok(Some(labels)) => labels,
            Ok(None) => {
                self.scan.insert(hash, series.text.len(), None);
                return Ok(());
            }
            Err(err) => {
                if matches!(err, Error::LabelLimit(_)) {
                    self.context.metrics.exceeded_labels.inc();
                }
                return Err(err);
            }
        };
        self.counts.after_relabelling += 1;
        let own_time = self.own_time(series);
        if !self.admits(series.value, own_time.unwrap_or(self.time)) {
            return Ok(());
        }
        let reference = appender.series(&labels)?;
        let known = Some((reference, metric_type));
        let id = self.scan.insert(hash, series.text.len(), known);
        if own_time.is_none() || self.context.options.track_timestamps_staleness {
            self.scan.track(id);
        }
        self.counts.series_added += 1;
        let origin = self.origin(id, series.text, true);
        self.push(reference, origin, series, own_time);
        Ok(())
    }

    /// Where a sample comes from. `text` is a part of the body.
    fn origin(&self, entry: EntryId, text: &[u8], new: bool) -> Origin {
        let start = text.as_ptr().addr().wrapping_sub(self.body.as_ptr().addr());
        Origin {
            entry,
            text: [start as u32, text.len() as u32],
            new,
        }
    }

    /// The text of the series that a sample came from.
    fn text_of(&self, origin: Origin) -> &[u8] {
        let [start, length] = origin.text.map(|number| number as usize);
        self.body.get(start..start + length).unwrap_or_default()
    }

    fn push(
        &mut self,
        reference: SeriesRef,
        origin: Origin,
        series: &Series<'_>,
        own_time: Option<Timestamp>,
    ) {
        let position = self.columns.series.len() as u32;
        let time = own_time.unwrap_or(self.time);
        self.columns.own_times |= own_time.is_some();
        self.columns.series.push(reference);
        self.columns.times.push(time);
        self.columns.values.push(series.value);
        self.columns.origins.push(origin);
        if let Some(raw) = &series.exemplar {
            match raw.to_exemplar() {
                Ok(mut exemplar) => {
                    exemplar.timestamp.get_or_insert(time);
                    self.columns.exemplars.push((position, exemplar));
                }
                Err(err) => {
                    tracing::debug!(
                        component = "scrape manager",
                        err = %err,
                        "Error while adding exemplar in AddExemplar"
                    );
                }
            }
        }
    }

    fn append(&mut self, appender: &mut dyn Appender) -> Result<(), Error> {
        let mut results = Vec::new();
        let mut exemplar_results = Vec::new();
        let columns = &*self.columns;
        let batch = Batch {
            series: &columns.series,
            times: self.times(&columns.times),
            values: &columns.values,
            histograms: &[],
            start_timestamps: &[],
            exemplars: &columns.exemplars,
            reject_out_of_order: false,
        };
        appender.append(&batch, &mut results, &mut exemplar_results)?;
        let unknown = self.count_refused(results)?;
        if !unknown.is_empty() {
            self.append_again(&unknown, appender)?;
        }
        for (_, reason) in exemplar_results {
            if reason == AppendError::OutOfOrderExemplar {
                self.refusals.exemplar_out_of_order += 1;
                self.context.metrics.exemplar_out_of_order.inc();
            }
        }
        Ok(())
    }

    fn times<'a>(&self, times: &'a [Timestamp]) -> BatchTimes<'a> {
        if self.columns.own_times {
            BatchTimes::Each(times)
        } else {
            BatchTimes::Same(self.time)
        }
    }

    /// Counts what was not taken; the positions whose series the store has dropped meanwhile.
    fn count_refused(&mut self, results: Vec<(u32, AppendError)>) -> Result<Vec<u32>, Error> {
        let mut unknown = Vec::new();
        for (position, reason) in results {
            let metrics = &self.context.metrics;
            match reason {
                AppendError::OutOfOrder | AppendError::TooOld => {
                    self.refusals.out_of_order += 1;
                    metrics.out_of_order.inc();
                }
                AppendError::DuplicateTimestamp | AppendError::DuplicateFloat { .. } => {
                    self.refusals.duplicate += 1;
                    metrics.duplicate_timestamp.inc();
                }
                AppendError::OutOfBounds => {
                    self.refusals.out_of_bounds += 1;
                    metrics.out_of_bounds.inc();
                }
                AppendError::UnknownSeries => {
                    unknown.push(position);
                    continue;
                }
                other => return Err(other.into()),
            }
            if let Some(origin) = self.columns.origins.get(position as usize).copied() {
                if origin.new {
                    self.counts.series_added = self.counts.series_added.saturating_sub(1);
                } else {
                    self.scan.untrack(origin.entry);
                }
            }
        }
        Ok(unknown)
    }

    /// Appends the samples at `positions` with their series resolved anew.
    fn append_again(
        &mut self,
        positions: &[u32],
        appender: &mut dyn Appender,
    ) -> Result<(), Error> {
        let mut again = Columns::default();
        for position in positions {
            let at = *position as usize;
            let columns = &*self.columns;
            let (Some(origin), Some(time), Some(value)) = (
                columns.origins.get(at),
                columns.times.get(at),
                columns.values.get(at),
            ) else {
                continue;
            };
            let Some(metric_type) = self.scan.entry(origin.entry).and_then(Known::metric_type)
            else {
                continue;
            };
            // Neither labels nor texts are kept: this is rare.
            let labels = final_labels(self.context, self.text_of(*origin), metric_type)?;
            let Some(labels) = labels else {
                continue;
            };
            let series = appender.series(&labels)?;
            self.scan.set_series(origin.entry, series);
            again.series.push(series);
            again.times.push(*time);
            again.values.push(*value);
            again.origins.push(Origin {
                new: true,
                ..*origin
            });
            self.counts.series_added += 1;
        }
        let mut results = Vec::new();
        let batch = Batch {
            series: &again.series,
            times: BatchTimes::Each(&again.times),
            values: &again.values,
            histograms: &[],
            start_timestamps: &[],
            exemplars: &[],
            reject_out_of_order: false,
        };
        appender.append(&batch, &mut results, &mut Vec::new())?;
        *self.columns = again;
        self.count_refused(results)?;
        Ok(())
    }

    /// One line a scrape and reason, not one a sample.
    fn warn(&self) {
        let warn = |count: usize, message: &str| {
            if count > 0 {
                tracing::warn!(
                    component = "scrape manager",
                    scrape_pool = %self.context.options.job_name,
                    target = %self.context.target.url(),
                    num_dropped = count,
                    "{message}"
                );
            }
        };
        warn(
            self.refusals.out_of_order,
            "Error on ingesting out-of-order samples",
        );
        warn(
            self.refusals.duplicate,
            "Error on ingesting samples with different value but same timestamp",
        );
        warn(
            self.refusals.out_of_bounds,
            "Error on ingesting samples that are too old or are too far into the future",
        );
        warn(
            self.refusals.exemplar_out_of_order,
            "Error on ingesting out-of-order exemplars",
        );
    }
}

/// The labels a scraped series is stored with; `None` if relabelling drops it.
fn final_labels(
    context: &Context,
    text: &[u8],
    metric_type: MetricType,
) -> Result<Option<Labels>, Error> {
    if text.len() > LABEL_BYTES_MAX {
        return Err(Error::SeriesTooLong(text.len()));
    }
    let options = &*context.options;
    let mut pairs = Vec::new();
    series_text::pairs(text, metric_type, &mut pairs)?;
    pairs.retain(|(_, value)| !value.is_empty());
    let twice = pairs.windows(2).find_map(|pair| match pair {
        [(first, _), (second, _)] if first == second => Some(first.to_string()),
        _ => None,
    });
    let mut builder = LabelsBuilder::new();
    for (name, value) in &pairs {
        builder.set(name, value);
    }
    add_target_labels(&mut builder, context.target.labels(), options.honor_labels);
    if !relabel::process_builder(&mut builder, &options.metric_relabel_configs)
        || builder.is_empty()
    {
        return Ok(None);
    }
    let labels = builder.labels();
    if !labels.has(METRIC_NAME) {
        return Err(Error::NoMetricName);
    }
    let legal = labels.iter().all(|(name, value)| {
        if name == METRIC_NAME {
            options.name_scheme.is_metric_name(value)
        } else {
            options.name_scheme.is_label_name(name)
        }
    });
    if !legal {
        return Err(Error::InvalidNames(labels_text(&labels)));
    }
    limits::check(&labels, options)?;
    match twice {
        Some(name) => Err(Error::DuplicateLabel(gocompat::quote::quote(&name))),
        None => Ok(Some(labels)),
    }
}

/// Adds the target's labels. Where both have one, the target's wins and the scraped one is renamed,
/// or with `honor_labels` the scraped one wins.
fn add_target_labels(builder: &mut LabelsBuilder, target: &Labels, honor_labels: bool) {
    let mut conflicts: Vec<(String, String)> = Vec::new();
    for (name, value) in target {
        let scraped = builder.value_or_empty(name);
        if scraped.is_empty() {
            builder.set(name, value);
        } else if !honor_labels {
            conflicts.push((name.to_owned(), scraped.to_owned()));
            builder.set(name, value);
        }
    }
    conflicts.sort_by_key(|(name, _)| name.len());
    for (name, value) in conflicts {
        let mut renamed = format!("{EXPORTED_PREFIX}{name}");
        while !builder.value_or_empty(&renamed).is_empty() {
            renamed.insert_str(0, EXPORTED_PREFIX);
        }
        builder.set(&renamed, &value);
    }
}
