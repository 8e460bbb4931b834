//! `/api/v1`: what each endpoint answers, as JSON in one envelope.
//!
//! Calls are synchronous. Those that read storage run on the query pool; the others copy what is
//! known and run where they are called.

mod admin;
mod exemplars;
mod explain;
mod labels;
mod metadata;
mod query;
mod relabel_steps;
mod series;
mod status;
mod syntax;
mod target_history;
mod target_list;

use std::sync::Arc;
use std::time::SystemTime;

use http::StatusCode;
use jiff::Timestamp as UtcTime;
use model::Matcher;
use promql::QueryOrigin;
use stdx::cancel::{CancelToken, Stop};
use storage::StorageError;

use crate::form::Form;
use crate::handler::{Backend, Handler};
use crate::json;
use crate::params::{self, Instant};
use crate::router::Endpoint;

pub(crate) use status::write_build_info as build_info;
pub(crate) use status::write_replay as wal_replay;

/// Most warnings, and most infos, that an answer tells.
const REMARKS_MAX: usize = 10;

/// Said when a limit cut the answer.
const TRUNCATED: &str = "results truncated due to limit";

/// One call of an endpoint.
pub(crate) struct Call {
    pub(crate) handler: Arc<Handler>,
    pub(crate) backend: Arc<Backend>,
    /// Values of query string and body.
    pub(crate) form: Form,
    /// Values of the query string alone.
    pub(crate) url_form: Form,
    /// The path's variable segment.
    pub(crate) parameter: Vec<u8>,
    pub(crate) now: SystemTime,
    pub(crate) cancel: CancelToken,
    /// Who asks.
    pub(crate) origin: QueryOrigin,
    /// A query is to be explained and not to run.
    pub(crate) explains: bool,
}

/// What comes beside the data.
#[derive(Debug, Default)]
pub(crate) struct Remarks {
    pub(crate) warnings: Vec<String>,
    pub(crate) infos: Vec<String>,
    /// There is no data: the answer is a status without a body.
    pub(crate) no_content: bool,
}

impl Remarks {
    /// No data.
    fn nothing() -> Self {
        Self {
            no_content: true,
            ..Self::default()
        }
    }
}

/// The `errorType` of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorKind {
    BadData,
    Execution,
    Canceled,
    Timeout,
    Internal,
    Unavailable,
}

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) kind: ErrorKind,
    pub(crate) text: String,
}

type ApiResult = Result<Remarks, ApiError>;

impl ApiError {
    fn bad_data(text: impl Into<String>) -> Self {
        Self {
            kind: ErrorKind::BadData,
            text: text.into(),
        }
    }

    /// A parameter that cannot be used.
    fn parameter(name: &str, text: impl std::fmt::Display) -> Self {
        Self::bad_data(format!("invalid parameter \"{name}\": {text}"))
    }

    /// Status and body.
    pub(crate) fn render(&self) -> (StatusCode, Vec<u8>) {
        let (kind, status) = match self.kind {
            ErrorKind::BadData => ("bad_data", 400),
            ErrorKind::Execution => ("execution", 422),
            ErrorKind::Canceled => ("canceled", 499),
            ErrorKind::Timeout => ("timeout", 503),
            ErrorKind::Internal => ("internal", 500),
            ErrorKind::Unavailable => ("unavailable", 500),
        };
        let mut out = Vec::new();
        let mut object = json::Object::open(&mut out);
        object
            .string("status", "error")
            .string("errorType", kind)
            .string("error", &self.text);
        object.close();
        (
            StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            out,
        )
    }
}

impl From<StorageError> for ApiError {
    fn from(err: StorageError) -> Self {
        let kind = match err {
            StorageError::Stopped(Stop::Cancelled) => ErrorKind::Canceled,
            StorageError::Stopped(Stop::DeadlineExceeded) => ErrorKind::Timeout,
            StorageError::NotReady => ErrorKind::Internal,
            _ => ErrorKind::Execution,
        };
        Self {
            kind,
            text: err.to_string(),
        }
    }
}

/// Whether a call may take long: it belongs on the query pool.
pub(crate) fn reads_storage(endpoint: Endpoint) -> bool {
    matches!(
        endpoint,
        Endpoint::Query
            | Endpoint::QueryExplain
            | Endpoint::QueryRange
            | Endpoint::QueryRangeExplain
            | Endpoint::Labels
            | Endpoint::LabelValues
            | Endpoint::Series
            | Endpoint::TsdbStatus
            | Endpoint::QueryExemplars
            | Endpoint::RelabelSteps
            | Endpoint::TargetHistory
            | Endpoint::DeleteSeries
            | Endpoint::CleanTombstones
            | Endpoint::Snapshot
    )
}

/// Status and body of a call.
pub(crate) fn answer(endpoint: Endpoint, call: &Call) -> (StatusCode, Vec<u8>) {
    let mut out = b"{\"status\":\"success\",\"data\":".to_vec();
    let result = match endpoint {
        Endpoint::Query | Endpoint::QueryExplain => query::instant(call, &mut out),
        Endpoint::QueryRange | Endpoint::QueryRangeExplain => query::range(call, &mut out),
        Endpoint::QueryExemplars => exemplars::query(call, &mut out),
        Endpoint::FormatQuery => syntax::format_query(call, &mut out),
        Endpoint::ParseQuery => syntax::parse_query(call, &mut out),
        Endpoint::Labels => labels::names(call, &mut out),
        Endpoint::LabelValues => labels::values(call, &mut out),
        Endpoint::Series => series::series(call, &mut out),
        Endpoint::DropSeries => Err(series::not_implemented()),
        Endpoint::Metadata => metadata::by_metric(call, &mut out),
        Endpoint::TargetsMetadata => metadata::by_target(call, &mut out),
        Endpoint::Targets => target_list::targets(call, &mut out),
        Endpoint::RelabelSteps => relabel_steps::steps(call, &mut out),
        Endpoint::TargetHistory => target_history::histories(call, &mut out),
        Endpoint::ScrapePools => target_list::scrape_pools(call, &mut out),
        Endpoint::ScrapePoolConfig => target_list::pool_config(call, &mut out),
        Endpoint::Config => status::config(call, &mut out),
        Endpoint::RuntimeInfo => status::runtime_info(call, &mut out),
        Endpoint::BuildInfo => status::build_info(call, &mut out),
        Endpoint::Flags => status::flags(call, &mut out),
        Endpoint::TsdbStatus => status::tsdb(call, &mut out),
        Endpoint::DeleteSeries => admin::delete_series(call),
        Endpoint::CleanTombstones => admin::clean_tombstones(call),
        Endpoint::Snapshot => admin::snapshot(call, &mut out),
        Endpoint::OutsidePrefix
        | Endpoint::Root
        | Endpoint::Graph
        | Endpoint::Page
        | Endpoint::Healthy
        | Endpoint::Ready
        | Endpoint::Reload
        | Endpoint::Quit
        | Endpoint::LifecycleWrongMethod
        | Endpoint::Metrics
        | Endpoint::Version
        | Endpoint::WalReplay
        | Endpoint::RemoteRead
        | Endpoint::RemoteWrite
        | Endpoint::ApiOptions => {
            unreachable!("{endpoint:?} is not answered in the envelope")
        }
    };
    match result {
        Ok(remarks) if remarks.no_content => (StatusCode::NO_CONTENT, Vec::new()),
        Ok(remarks) => {
            for (name, kind, texts) in [
                ("warnings", "warning", remarks.warnings),
                ("infos", "info", remarks.infos),
            ] {
                let texts = at_most(texts, kind);
                if !texts.is_empty() {
                    out.extend_from_slice(format!(",\"{name}\":").as_bytes());
                    json::strings(&mut out, texts);
                }
            }
            out.push(b'}');
            (StatusCode::OK, out)
        }
        Err(err) => err.render(),
    }
}

/// The first remarks of one kind; the rest is only counted.
fn at_most(mut texts: Vec<String>, kind: &str) -> Vec<String> {
    let surplus = texts.len().saturating_sub(REMARKS_MAX);
    if surplus > 0 {
        texts.truncate(REMARKS_MAX);
        texts.push(format!("{surplus} more {kind} annotations omitted"));
    }
    texts
}

impl Call {
    /// The call's moment.
    fn now(&self) -> Instant {
        let time = UtcTime::try_from(self.now).unwrap_or(UtcTime::UNIX_EPOCH);
        let nanos = i64::try_from(time.as_nanosecond()).unwrap_or(0);
        Instant {
            seconds: nanos.div_euclid(1_000_000_000),
            nanos: nanos.rem_euclid(1_000_000_000),
        }
    }

    fn limit(&self) -> Result<usize, ApiError> {
        params::limit(self.form.value("limit")).map_err(|err| ApiError::parameter("limit", err))
    }

    /// `start` and `end`, which without value are all time, in storage's milliseconds.
    fn time_range(&self) -> Result<(i64, i64), ApiError> {
        let time = |name, default| {
            params::optional_time(name, self.form.value(name), default)
                .map_err(|err| ApiError::parameter(name, err))
        };
        Ok((
            time("start", Instant::MIN)?.millis(),
            time("end", Instant::MAX)?.millis(),
        ))
    }

    /// Every `match[]`, each of which must need something.
    fn matcher_sets(&self) -> Result<Vec<Vec<Matcher>>, String> {
        let mut sets = Vec::new();
        for text in self.form.values("match[]") {
            let options = &self.backend.parser_options;
            let matchers = promql_parser::parse_metric_selector(text, options)
                .map_err(|err| err.to_string())?;
            if matchers.iter().all(Matcher::matches_empty) {
                return Err("match[] must contain at least one non-empty matcher".to_owned());
            }
            sets.push(matchers);
        }
        Ok(sets)
    }

    /// Refuses a form that could not be read completely.
    fn whole_form(&self) -> Result<(), ApiError> {
        match self.form.error() {
            Some(err) => Err(ApiError::bad_data(format!(
                "error parsing form values: {err}"
            ))),
            None => Ok(()),
        }
    }
}

/// The limit handed to storage: one more than wanted tells whether there was more.
fn hint_limit(limit: usize) -> usize {
    if limit == 0 { 0 } else { limit + 1 }
}

#[cfg(test)]
mod tests {
    use super::at_most;

    #[test]
    fn remarks_past_the_tenth_are_counted() {
        let texts = |count: usize| (0..count).map(|index| index.to_string()).collect();
        assert_eq!(at_most(texts(10), "info").len(), 10);
        let cut = at_most(texts(13), "warning");
        assert_eq!(cut.len(), 11);
        assert_eq!(
            cut.last().map(String::as_str),
            Some("3 more warning annotations omitted")
        );
    }
}
