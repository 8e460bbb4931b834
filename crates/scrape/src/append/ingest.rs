//! From a body to batches: parse, look up or relabel, append. [`labels`] is the relabelling, [`store`]
//! what becomes of the batches.

mod labels;
mod store;

use exposition::entry::{NativeSeries, Series};
use exposition::{Entry, Format, Parser, negotiate};
use memory::room::Look;
use model::labels::LABEL_BYTES_MAX;
use model::staleness::is_stale;
use model::{Labels, Metadata, MetricType, Timestamp};
use storage::{Appender, SeriesRef};

use super::columns::{Columns, Origin};
use super::native;
use super::texts::TextSource;
use super::{Context, Counts, MAX_AHEAD, Scraped};
use crate::cache::{EntryId, Found, Scan};
use crate::error::Error;
use crate::metadata::TargetMetadata;
use crate::synthesis::{Synthesis, is_cumulative};
use crate::text_hash::TextHash;
use labels::final_labels;
use store::Refusals;

/// Scrapes for which metadata outlives its metric family.
const METADATA_SCRAPES_MAX: u64 = 10;

/// Bytes of a family's name or description that are remembered.
const DESCRIPTION_BYTES_MAX: usize = 1 << 20;

/// New series between two looks at the memory.
const LOOK_EVERY: usize = 1024;

/// Appends the samples of a body.
pub(super) fn ingest(
    context: &Context,
    scan: &mut Scan<'_>,
    synthesis: Option<&mut Synthesis>,
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
    counts.format = Some(choice.format);
    scan.reads(choice.format);
    columns.clear();
    let metadata = context.target.metadata_map();
    let mut metadata = metadata.lock();
    let mut run = Run {
        context,
        format: choice.format,
        texts: TextSource::new(choice.format, body, context.parser_options()),
        scan,
        synthesis,
        family: Family::default(),
        columns,
        metadata: &mut metadata,
        counts,
        refusals: Refusals::default(),
        kept: 0,
        look: None,
        native_bytes: 0,
        time,
        time_max: time.saturating_add(MAX_AHEAD.as_millis() as i64),
    };
    let mut parser = run.texts.parser();
    let parsed = run.parse(&mut parser, appender);
    if run.refusals.over_sample_limit {
        context.metrics.exceeded_samples.inc();
    }
    if run.refusals.over_bucket_limit {
        context.metrics.exceeded_buckets.inc();
    }
    let appended = match parsed {
        Ok(()) if run.refusals.over_sample_limit => Err(Error::SampleLimit),
        Ok(()) if run.refusals.over_bucket_limit => Err(Error::BucketLimit),
        Ok(()) => run.append(appender),
        Err(err) => Err(err),
    };
    run.warn();
    if appended.is_ok() {
        let oldest = run.scan.scrape().saturating_sub(METADATA_SCRAPES_MAX);
        run.metadata.forget_before(&context.families, oldest);
        if let Some(synthesis) = &mut run.synthesis {
            synthesis.forget_before(run.scan.scrape());
        }
    }
    appended
}

/// A metric family as far as it was described.
#[derive(Debug, Default)]
struct Family {
    name: String,
    metric_type: MetricType,
}

/// One body on its way.
struct Run<'a, 's> {
    context: &'a Context,
    format: Format,
    texts: TextSource<'a>,
    scan: &'a mut Scan<'s>,
    /// Where counters that tell no start get one.
    synthesis: Option<&'a mut Synthesis>,
    /// The family described last; kept with `synthesis` only.
    family: Family,
    columns: &'a mut Columns,
    metadata: &'a mut TargetMetadata,
    counts: &'a mut Counts,
    refusals: Refusals,
    /// Samples that count for the sample limit.
    kept: usize,
    /// How much memory there was when it was looked last.
    look: Option<Look>,
    /// Bytes that native histograms take.
    native_bytes: usize,
    time: Timestamp,
    time_max: Timestamp,
}

impl Run<'_, '_> {
    fn parse(&mut self, parser: &mut Parser<'_>, appender: &mut dyn Appender) -> Result<(), Error> {
        let samples_max = self.context.bounds.samples_max;
        loop {
            if self.columns.series.len() > samples_max {
                return Err(Error::TooManySamples(samples_max));
            }
            if let Some(expected) = self.scan.expected() {
                let is_known = |text: &[u8]| self.scan.hash(text) == expected.hash;
                if let Some(series) = parser.next_known(expected.length, is_known) {
                    self.counts.scraped += 1;
                    let found = self.scan.see(expected.id);
                    self.take_known(&found, &series, true);
                    continue;
                }
            }
            let metric_type = parser.metric_type();
            match parser.next_entry()? {
                None => return Ok(()),
                Some(Entry::Series(series)) => {
                    self.take(&series, metric_type, true, appender)?;
                }
                Some(Entry::Histogram(native)) => {
                    self.take_native(native, metric_type, appender)?;
                }
                Some(Entry::Help { name, text }) => {
                    let end = text.floor_char_boundary(DESCRIPTION_BYTES_MAX);
                    let help = &text[..end];
                    let differs = |known: &Metadata| known.help != help;
                    self.describe(name, differs, |known| help.clone_into(&mut known.help));
                }
                Some(Entry::Type { name, metric_type }) => {
                    if self.synthesis.is_some() {
                        // Series with longer names are refused.
                        let name = name.get(..LABEL_BYTES_MAX).unwrap_or(name);
                        self.family.name = String::from_utf8_lossy(name).into_owned();
                        self.family.metric_type = metric_type;
                    }
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

    /// Whether the sample may be appended at all; counts it if not. `fits` is about native
    /// histograms, see [`take`](Self::take).
    fn admits(&mut self, value: f64, time: Timestamp, fits: bool) -> bool {
        if !fits {
            self.refusals.over_bucket_limit = true;
            return false;
        }
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

    /// Takes a sample; whether there is one more in the columns. `fits` says that it is within the
    /// limits of native histograms.
    fn take(
        &mut self,
        series: &Series<'_>,
        metric_type: MetricType,
        fits: bool,
        appender: &mut dyn Appender,
    ) -> Result<bool, Error> {
        self.counts.scraped += 1;
        let before = self.columns.series.len();
        let hash = self.scan.hash(series.text);
        match self.scan.locate(hash) {
            Some(found) => self.take_known(&found, series, fits),
            None => self.take_new(series, hash, metric_type, fits, appender)?,
        }
        Ok(self.columns.series.len() > before)
    }

    fn take_native(
        &mut self,
        native: NativeSeries<'_>,
        metric_type: MetricType,
        appender: &mut dyn Appender,
    ) -> Result<(), Error> {
        let value = native::limited(native.value, &self.context.options);
        let series = Series {
            text: native.text,
            value: value.as_ref().map_or(0.0, native::sum),
            timestamp: native.timestamp,
            start_timestamp: native.start_timestamp,
            exemplar: None,
        };
        if !self.take(&series, metric_type, value.is_some(), appender)? {
            return Ok(());
        }
        let position = self.columns.series.len() as u32 - 1;
        if let Some(value) = value {
            self.native_bytes += native::bytes(&value);
            if self.native_bytes > native::BODY_HISTOGRAM_BYTES_MAX {
                return Err(Error::HistogramsTooLarge);
            }
            self.columns.histograms.push((position, value));
        }
        let first = self.columns.exemplars.len();
        for raw in native.exemplars {
            self.columns.push_exemplar(position, &raw);
        }
        // The store refuses exemplars that are older than one before.
        if let Some(exemplars) = self.columns.exemplars.get_mut(first..) {
            exemplars.sort_by(|(_, one), (_, other)| native::exemplar_order(one, other));
        }
        Ok(())
    }

    fn take_known(&mut self, found: &Found, series: &Series<'_>, fits: bool) {
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
        if !self.admits(series.value, time, fits) {
            return;
        }
        let tracked = self.track(found.id, own_time);
        let origin = self.origin(found.id, series.text, false, tracked);
        self.push(reference, origin, series, own_time);
    }

    fn take_new(
        &mut self,
        series: &Series<'_>,
        hash: TextHash,
        metric_type: MetricType,
        fits: bool,
        appender: &mut dyn Appender,
    ) -> Result<(), Error> {
        let labels = match final_labels(self.context, self.format, series.text, metric_type) {
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
        if !self.admits(series.value, own_time.unwrap_or(self.time), fits) {
            return Ok(());
        }
        let oldest = appender.oldest_taken();
        if own_time
            .zip(oldest)
            .is_some_and(|(time, oldest)| time < oldest)
        {
            // Its series need not come into being for that.
            self.refusals.out_of_bounds += 1;
            self.context.metrics.out_of_bounds.inc();
            return Ok(());
        }
        let reference = self.series(&labels, series.text.len(), appender)?;
        let known = Some((reference, metric_type));
        let id = self.scan.insert(hash, series.text.len(), known);
        if self.synthesis.is_some() {
            let Family { name, metric_type } = &self.family;
            if is_cumulative(labels.metric_name(), name, *metric_type) {
                self.scan.mark_cumulative(id);
            }
        }
        let tracked = self.track(id, own_time);
        self.counts.series_added += 1;
        let origin = self.origin(id, series.text, true, tracked);
        self.push(reference, origin, series, own_time);
        Ok(())
    }

    /// The series with these labels and this length of text; a new one only while there is room.
    fn series(
        &mut self,
        labels: &Labels,
        text_len: usize,
        appender: &mut dyn Appender,
    ) -> Result<SeriesRef, Error> {
        let look = match self.look {
            Some(look) if !self.counts.series_added.is_multiple_of(LOOK_EVERY) => look,
            _ => *self.look.insert(self.context.bounds.look()),
        };
        let settled_len = self.scan.settled_len();
        let growth = self.scan.growth();
        if let Some(refusal) = self.context.bounds.refusal(look, growth, settled_len) {
            return appender.known_series(labels).ok_or(refusal);
        }
        growth.add(text_len);
        Ok(appender.series(labels)?)
    }

    /// Tracks the series of a sample, unless that has a time of its own and the job does not want
    /// such series to end; whether it did.
    fn track(&mut self, entry: EntryId, own_time: Option<Timestamp>) -> bool {
        let wanted = own_time.is_none() || self.context.options.track_timestamps_staleness;
        if wanted {
            self.scan.track(entry);
        }
        wanted
    }

    /// Where the sample read last comes from.
    fn origin(&self, entry: EntryId, text: &[u8], new: bool, tracked: bool) -> Origin {
        let number = self.counts.scraped.saturating_sub(1);
        let text = self.texts.at(text, number);
        Origin {
            entry,
            text,
            new,
            tracked,
        }
    }

    fn push(
        &mut self,
        reference: SeriesRef,
        origin: Origin,
        series: &Series<'_>,
        own_time: Option<Timestamp>,
    ) {
        let time = own_time.unwrap_or(self.time);
        self.columns.own_times |= own_time.is_some();
        self.columns.push(reference, origin, series, time);
    }
}
