//! One scrape's answer becomes one transaction: samples, markers of vanished series, report
//! series. Runs on the worker pool.

mod columns;
mod inflate;
mod ingest;
pub(crate) mod native;
mod texts;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use exposition::{Format, ParserOptions};
use model::Timestamp;
use model::staleness::STALE_NAN;
use parking_lot::Mutex;
use storage::{AppendError, Appendable, Appender, Batch, BatchTimes};
use telemetry::Gauge;

use crate::bounds::Bounds;
use crate::cache::{Cache, Scan, Scratch};
use crate::error::Error;
use crate::failure_log::FailureLog;
use crate::fetch::{Answer, BodyLimits};
use crate::history::PastScrape;
use crate::metadata::Families;
use crate::metrics::Metrics;
use crate::options::JobOptions;
use crate::report::{Report, ReportSeries};
use crate::synthesis::Synthesis;
use crate::target::{Health, LastScrape, Target};
use crate::text_hash::TextKey;
use columns::Columns;
use inflate::Inflater;

/// What one loop's scrapes need and do not change.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) options: Arc<JobOptions>,
    pub(crate) target: Arc<Target>,
    pub(crate) store: Arc<dyn Appendable>,
    pub(crate) metrics: Metrics,
    pub(crate) spare: Arc<Spare>,
    /// For the texts of all targets.
    pub(crate) text_key: Arc<TextKey>,
    /// What all targets say of their families.
    pub(crate) families: Arc<Families>,
    /// What bounds all targets' use of memory.
    pub(crate) bounds: Bounds,
    /// Where failed scrapes are to be logged.
    pub(crate) failure_log: Option<Arc<FailureLog>>,
    /// Whether start timestamps are read.
    pub(crate) start_timestamps: bool,
    /// Whether counters that tell no start get one.
    pub(crate) synthesize_starts: bool,
}

impl Context {
    /// How the target's bodies are read.
    fn parser_options(&self) -> ParserOptions {
        let switches = self.target.histograms(&self.options);
        switches.parser_options(self.start_timestamps)
    }
}

/// What one loop's scrapes keep from one to the next.
#[derive(Debug, Default)]
pub(crate) struct LoopState {
    cache: Cache,
    reports: ReportSeries,
    synthesis: Synthesis,
    counted: Counted,
}

/// What a cache takes, as counted in the gauge of all.
#[derive(Debug, Default)]
struct Counted {
    gauge: Option<Gauge>,
    bytes: f64,
}

impl Counted {
    fn set(&mut self, gauge: &Gauge, bytes: usize) {
        let bytes = bytes as f64;
        let gauge = self.gauge.get_or_insert_with(|| gauge.clone());
        gauge.add(bytes - self.bytes);
        self.bytes = bytes;
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if let Some(gauge) = &self.gauge {
            gauge.add(-self.bytes);
        }
    }
}

/// What a scrape works with beside what its loop keeps.
#[derive(Debug, Default)]
pub(crate) struct Tools {
    inflater: Inflater,
    desk: Desk,
    /// Bytes of them that [`Spare`] has counted.
    counted: usize,
}

/// Where lines become samples.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    columns: Columns,
    scratch: Scratch,
}

/// Tools that no scrape uses at the moment: as many as scrapes were appended at once, which the
/// worker pool bounds. They keep their memory, which a loop of its own would keep for each target.
#[derive(Debug, Default)]
pub(crate) struct Spare {
    tools: Mutex<Vec<Tools>>,
    bytes: AtomicUsize,
}

impl Spare {
    fn take(&self) -> Tools {
        self.tools.lock().pop().unwrap_or_default()
    }

    fn give_back(&self, mut tools: Tools) {
        let Desk { columns, scratch } = &tools.desk;
        let bytes = columns.heap_bytes() + scratch.heap_bytes() + tools.inflater.heap_bytes();
        // Wraps around where they shrank, and so does the sum.
        let grown = bytes.wrapping_sub(tools.counted);
        self.bytes.fetch_add(grown, Ordering::Relaxed);
        tools.counted = bytes;
        self.tools.lock().push(tools);
    }

    /// Bytes of memory that all tools take, those in use as when they were taken.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// What a target answered.
#[derive(Debug, Clone, Copy)]
struct Scraped<'a> {
    /// Uncompressed.
    body: &'a [u8],
    /// The Content-Type header.
    content_type: Option<&'a str>,
    /// When it was asked.
    time: Timestamp,
}

/// As what a body was read, and how many samples there were.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Counts {
    format: Option<Format>,
    scraped: usize,
    after_relabelling: usize,
    series_added: usize,
}

impl Counts {
    fn remembered(&self, time: Timestamp, duration: Duration) -> PastScrape {
        let small = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        PastScrape {
            scraped: small(self.scraped),
            after_relabelling: small(self.after_relabelling),
            series_added: small(self.series_added),
            format: self.format,
            ..PastScrape::new(time, duration)
        }
    }
}

/// Appends what a scrape at `time` brought, and reports it. `started` is when it was begun.
pub(crate) fn scrape(
    context: &Context,
    state: &mut LoopState,
    answer: Result<Answer, Error>,
    time: Timestamp,
    started: Instant,
) {
    let mut report = Report {
        timeout_seconds: context.target.timeout().as_secs_f64(),
        sample_limit: context.options.sample_limit,
        ..Report::default()
    };
    let mut tools = context.spare.take();
    let Tools { inflater, desk, .. } = &mut tools;
    let compressed = answer.as_ref().is_ok_and(|answer| answer.gzip);
    let mut held = None;
    let body = answer.and_then(|answer| {
        held = answer.held;
        let limits = BodyLimits::new(&context.options, &context.bounds);
        let bytes = inflater.uncompressed(answer.body, answer.gzip, limits)?;
        Ok((bytes, answer.content_type))
    });
    let mut appender = context.store.appender();
    let mut counts = Counts::default();
    let error = match body {
        Ok((bytes, content_type)) => {
            report.body_bytes = bytes.len() as i64;
            let scraped = Scraped {
                body: &bytes,
                content_type: content_type.as_deref(),
                time,
            };
            ingest_or_mark(context, state, desk, &mut appender, scraped, &mut counts)
        }
        Err(err) => {
            if err.is_body_too_long() {
                report.body_bytes = -1;
                context.metrics.exceeded_body_size.inc();
            }
            // Of scrapes that brought no body only, as in the reference.
            if let Some(log) = &context.failure_log {
                log.write(&context.options.job_name, context.target.url(), &err);
            }
            mark_all(context, state, desk, &mut appender, time);
            Some(err)
        }
    };
    context.spare.give_back(tools);
    drop(held);
    if error.as_ref().is_some_and(Error::is_for_memory) {
        context.metrics.refused_for_memory.inc();
    }
    let duration = started.elapsed();
    report.up = error.is_none();
    report.duration_seconds = duration.as_secs_f64();
    report.scraped = counts.scraped;
    report.after_relabelling = counts.after_relabelling;
    report.series_added = counts.series_added;
    finish(context, state, appender, Some(&report), time);
    let metadata = context.target.metadata_map();
    let last = LastScrape {
        health: if report.up { Health::Up } else { Health::Down },
        error: error.map_or_else(String::new, |err| err.to_string()),
        time: Some(time),
        duration,
    };
    let past = PastScrape {
        compressed,
        body_bytes: u32::try_from(report.body_bytes.max(0)).unwrap_or(u32::MAX),
        ..counts.remembered(time, duration)
    };
    context.target.report(last, past);
    let bytes = state.cache.heap_bytes()
        + state.synthesis.heap_bytes()
        + metadata.lock().heap_bytes()
        + context.target.history_bytes();
    state.counted.set(&context.metrics.cache_bytes, bytes);
    context
        .metrics
        .scrape_duration
        .observe(started.elapsed().as_secs_f64());
}

/// Ends the series of a target that went away, at `time`.
pub(crate) fn end_of_run(context: &Context, state: &mut LoopState, time: Timestamp) {
    let mut appender = context.store.appender();
    mark_all(context, state, &mut Desk::default(), &mut appender, time);
    finish(context, state, appender, None, time);
}

/// Appends the samples of a body and the markers of vanished series. If that fails, the series that
/// the body did not get to receive markers, and the error is returned.
fn ingest_or_mark(
    context: &Context,
    state: &mut LoopState,
    desk: &mut Desk,
    appender: &mut Box<dyn Appender>,
    scraped: Scraped<'_>,
    counts: &mut Counts,
) -> Option<Error> {
    let time = scraped.time;
    if scraped.body.is_empty() {
        mark_all(context, state, desk, appender, time);
        return None;
    }
    let mut scan = state.cache.begin(&mut desk.scratch, &context.text_key);
    scan.growth().begin(time);
    let synthesis = &mut state.synthesis;
    let result = ingest::ingest(
        context,
        &mut scan,
        context.synthesize_starts.then_some(synthesis),
        &mut desk.columns,
        &mut **appender,
        scraped,
        counts,
    )
    .and_then(|()| Ok(mark_vanished(&scan, &mut **appender, time)?));
    match result {
        Ok(()) => {
            scan.end(true);
            None
        }
        Err(err) => {
            tracing::debug!(
                component = "scrape manager",
                scrape_pool = %context.options.job_name,
                target = %context.target.url(),
                err = %err,
                "Append failed"
            );
            renew(context, appender);
            // Series that were read before the failure do not end, as in the reference: it shows
            // their old value for a lookback, while `up` says 0.
            mark_and_end(context, scan, appender, time);
            Some(err)
        }
    }
}

/// An empty scrape: every series ends.
fn mark_all(
    context: &Context,
    state: &mut LoopState,
    desk: &mut Desk,
    appender: &mut Box<dyn Appender>,
    time: Timestamp,
) {
    let scan = state.cache.begin(&mut desk.scratch, &context.text_key);
    mark_and_end(context, scan, appender, time);
}

fn mark_and_end(
    context: &Context,
    scan: Scan<'_>,
    appender: &mut Box<dyn Appender>,
    time: Timestamp,
) {
    if let Err(err) = mark_vanished(&scan, &mut **appender, time) {
        warn_append(context, &err);
        renew(context, appender);
    }
    if scan.end(false) {
        context.metrics.cache_flush_forced.inc();
    }
}

fn mark_vanished(
    scan: &Scan<'_>,
    appender: &mut dyn Appender,
    time: Timestamp,
) -> Result<(), AppendError> {
    let series = scan.vanished();
    if series.is_empty() {
        return Ok(());
    }
    let values = vec![STALE_NAN; series.len()];
    let batch = Batch {
        series: &series,
        times: BatchTimes::Same(time),
        values: &values,
        histograms: &[],
        start_timestamps: &[],
        exemplars: &[],
        reject_out_of_order: true,
    };
    // What the store does not take is expected: the target may have come back with another loop,
    // or the series may be gone from the store.
    appender.append(&batch, &mut Vec::new(), &mut Vec::new())
}

/// Rolls the transaction back and opens another one.
fn renew(context: &Context, appender: &mut Box<dyn Appender>) {
    std::mem::replace(appender, context.store.appender()).rollback();
}

fn finish(
    context: &Context,
    state: &mut LoopState,
    mut appender: Box<dyn Appender>,
    report: Option<&Report>,
    time: Timestamp,
) {
    let extra = context.options.extra_scrape_metrics;
    let labels = context.target.labels();
    let reported = state
        .reports
        .append(&mut *appender, labels, extra, report, time);
    if let Err(err) = reported {
        tracing::warn!(
            component = "scrape manager",
            scrape_pool = %context.options.job_name,
            target = %context.target.url(),
            err = %err,
            "Appending scrape report failed"
        );
        appender.rollback();
        return;
    }
    if let Err(err) = appender.commit() {
        tracing::error!(
            component = "scrape manager",
            scrape_pool = %context.options.job_name,
            target = %context.target.url(),
            err = %err,
            "Scrape commit failed"
        );
    }
}

fn warn_append(context: &Context, err: &AppendError) {
    tracing::warn!(
        component = "scrape manager",
        scrape_pool = %context.options.job_name,
        target = %context.target.url(),
        err = %err,
        "Append failed"
    );
}

/// How far ahead of the scrape an exposed time may be.
const MAX_AHEAD: Duration = Duration::from_secs(600);
