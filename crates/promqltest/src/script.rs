//! Reading scripts.

use model::Timestamp;
use promql_parser::series_notation::{SequenceValue, SeriesDescription, parse_series_desc};

use crate::ScriptError;

/// Most lines a script may have.
const LINES_MAX: usize = 1_000_000;

/// A command and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    /// Line, counted from 1.
    pub line: usize,
    /// What to do.
    pub action: Action,
}

/// What a command does.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// `clear`: forget all series.
    Clear,
    /// `load`: add samples, one value an interval from time 0 on.
    Load(Load),
    /// `eval`: evaluate and compare.
    Eval(Box<Eval>),
}

/// Series to load.
#[derive(Debug, Clone, PartialEq)]
pub struct Load {
    /// Milliseconds between values.
    pub interval_ms: i64,
    /// Also convert classic histograms to native ones with custom buckets.
    pub with_nhcb: bool,
    /// What to load.
    pub series: Vec<SeriesDescription>,
}

/// An evaluation and what is expected of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Eval {
    /// The expression.
    pub expr: String,
    /// First step.
    pub start: Timestamp,
    /// Last step.
    pub end: Timestamp,
    /// Milliseconds; 0 for an instant query.
    pub step_ms: i64,
    /// Expected series in the order given.
    pub series: Vec<SeriesDescription>,
    /// Expected scalar.
    pub scalar: Option<f64>,
    /// Expected text.
    pub text: Option<String>,
    /// The result is a range vector with these times: first, last, step.
    pub range_vector: Option<(Timestamp, Timestamp, i64)>,
    /// The order of the result counts.
    pub ordered: bool,
    /// Expected error.
    pub fail: Option<Text>,
    /// Expected warnings and infos.
    pub remarks: Vec<Remark>,
}

/// What a message should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Text {
    /// Anything.
    Any,
    /// Exactly this.
    Exact(String),
    /// A match for this expression somewhere in it.
    Regex(String),
}

/// An expected annotation, or that there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// Warning; otherwise info.
    pub warning: bool,
    /// What it says; `None`: there must be none.
    pub text: Option<Text>,
}

/// Reads a script.
pub fn parse_script(text: &str) -> Result<Vec<Command>, ScriptError> {
    let lines: Vec<&str> = text
        .split('\n')
        .take(LINES_MAX)
        .map(str::trim)
        .map(|line| if line.starts_with('#') { "" } else { line })
        .collect();
    let mut commands = Vec::new();
    let mut at = 0;
    while let Some(first) = lines.get(at) {
        let line = at + 1;
        at += 1;
        if first.is_empty() {
            continue;
        }
        let word = first.split_whitespace().next().unwrap_or("");
        let word_rest = first[word.len()..].trim();
        let takes_block = word.starts_with("load") || word.starts_with("eval");
        let mut block = Vec::new();
        while let Some(next) = lines.get(at).filter(|next| takes_block && !next.is_empty()) {
            block.push((at + 1, *next));
            at += 1;
        }
        let action = match word {
            "clear" => Action::Clear,
            "load" | "load_with_nhcb" => Action::Load(load(word, word_rest, line, &block)?),
            "eval" | "eval_fail" | "eval_warn" | "eval_info" | "eval_ordered" => {
                Action::Eval(Box::new(eval(word, word_rest, line, &block)?))
            }
            _ => return Err(syntax(line, format!("invalid command {first:?}"))),
        };
        commands.push(Command { line, action });
    }
    Ok(commands)
}

type Block<'a> = [(usize, &'a str)];

fn syntax(line: usize, message: impl Into<String>) -> ScriptError {
    ScriptError::Syntax {
        line,
        message: message.into(),
    }
}

fn duration(text: &str, line: usize) -> Result<i64, ScriptError> {
    model::duration::parse_allow_negative(text)
        .map_err(|error| syntax(line, format!("invalid duration {text:?}: {error}")))
}

fn series(text: &str, line: usize) -> Result<SeriesDescription, ScriptError> {
    parse_series_desc(text).map_err(|error| syntax(line, error.to_string()))
}

fn load(word: &str, rest: &str, line: usize, block: &Block<'_>) -> Result<Load, ScriptError> {
    let interval_ms = duration(rest, line)?;
    let described: Result<Vec<_>, _> = block
        .iter()
        .map(|(line, text)| series(text, *line))
        .collect();
    Ok(Load {
        interval_ms,
        with_nhcb: word == "load_with_nhcb",
        series: described?,
    })
}

fn eval(word: &str, rest: &str, line: usize, block: &Block<'_>) -> Result<Eval, ScriptError> {
    let mut words = Words(rest);
    let (start, end, step_ms) = match words.next() {
        "instant" => {
            words.expect("at", line)?;
            let time = duration(words.next(), line)?;
            (time, time, 0)
        }
        "range" => {
            words.expect("from", line)?;
            let start = duration(words.next(), line)?;
            words.expect("to", line)?;
            let end = duration(words.next(), line)?;
            words.expect("step", line)?;
            (start, end, duration(words.next(), line)?)
        }
        other => {
            return Err(syntax(
                line,
                format!("expected instant or range, got {other:?}"),
            ));
        }
    };
    let mut eval = Eval {
        expr: words.0.to_owned(),
        start,
        end,
        step_ms,
        series: Vec::new(),
        scalar: None,
        text: None,
        range_vector: None,
        ordered: word == "eval_ordered",
        fail: (word == "eval_fail").then_some(Text::Any),
        remarks: Vec::new(),
    };
    match word {
        "eval_warn" => eval.remarks.push(Remark {
            warning: true,
            text: Some(Text::Any),
        }),
        "eval_info" => eval.remarks.push(Remark {
            warning: false,
            text: Some(Text::Any),
        }),
        _ => {}
    }
    for (line, text) in block {
        expectation(&mut eval, text, *line)?;
    }
    Ok(eval)
}

/// One line of the block of an `eval`.
fn expectation(eval: &mut Eval, text: &str, line: usize) -> Result<(), ScriptError> {
    if let Some(rest) = text.strip_prefix("expect ") {
        return directive(eval, rest.trim(), line);
    }
    if let Some(rest) = text.strip_prefix("expected_fail_message ") {
        eval.fail = Some(Text::Exact(rest.trim().to_owned()));
        return Ok(());
    }
    if let Some(rest) = text.strip_prefix("expected_fail_regexp ") {
        eval.fail = Some(Text::Regex(rest.trim().to_owned()));
        return Ok(());
    }
    if let Ok(value) = gocompat::float::parse(text) {
        eval.scalar = Some(value);
        return Ok(());
    }
    eval.series.push(series(text, line)?);
    Ok(())
}

/// What follows `expect`.
fn directive(eval: &mut Eval, rest: &str, line: usize) -> Result<(), ScriptError> {
    let mut words = Words(rest);
    match words.next() {
        "fail" => eval.fail = Some(message(words.0, line)?),
        "warn" => {
            let text = Some(message(words.0, line)?);
            eval.remarks.push(Remark {
                warning: true,
                text,
            });
        }
        "info" => {
            let text = Some(message(words.0, line)?);
            eval.remarks.push(Remark {
                warning: false,
                text,
            });
        }
        "no_warn" => eval.remarks.push(Remark {
            warning: true,
            text: None,
        }),
        "no_info" => eval.remarks.push(Remark {
            warning: false,
            text: None,
        }),
        "ordered" => eval.ordered = true,
        "string" => {
            let text = gocompat::quote::unquote(words.0)
                .map_err(|error| syntax(line, format!("invalid string: {error}")))?;
            eval.text = Some(text);
        }
        "range" => {
            words.expect("vector", line)?;
            words.expect("from", line)?;
            let start = duration(words.next(), line)?;
            words.expect("to", line)?;
            let end = duration(words.next(), line)?;
            words.expect("step", line)?;
            eval.range_vector = Some((start, end, duration(words.next(), line)?));
        }
        other => return Err(syntax(line, format!("unknown expectation {other:?}"))),
    }
    Ok(())
}

fn message(rest: &str, line: usize) -> Result<Text, ScriptError> {
    let rest = rest.trim();
    if rest.is_empty() {
        return Ok(Text::Any);
    }
    if let Some(text) = rest.strip_prefix("msg:") {
        return Ok(Text::Exact(text.trim().to_owned()));
    }
    if let Some(text) = rest.strip_prefix("regex:") {
        return Ok(Text::Regex(text.trim().to_owned()));
    }
    Err(syntax(
        line,
        format!("expected msg: or regex:, got {rest:?}"),
    ))
}

/// Words of a line, from the left; the rest stays as it is.
struct Words<'a>(&'a str);

impl<'a> Words<'a> {
    fn next(&mut self) -> &'a str {
        let end = self.0.find(char::is_whitespace).unwrap_or(self.0.len());
        let (word, rest) = self.0.split_at(end);
        self.0 = rest.trim_start();
        word
    }

    fn expect(&mut self, wanted: &str, line: usize) -> Result<(), ScriptError> {
        let word = self.next();
        if word == wanted {
            return Ok(());
        }
        Err(syntax(line, format!("expected {wanted:?}, got {word:?}")))
    }
}

impl Eval {
    /// Whether a histogram is expected.
    pub(crate) fn expects_histograms(&self) -> bool {
        let histogram = |value: &SequenceValue| matches!(value, SequenceValue::Histogram { .. });
        self.series
            .iter()
            .any(|series| series.values.iter().any(histogram))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::proptest;

    use super::*;

    const SCRIPT: &str = "# comment\nclear\nload 5m\n  a{b=\"c\"} 1+1x3 _ stale\n\n\
        eval instant at 5m a + 1\n  expect ordered\n  expect warn msg: x (1:1)\n  {b=\"c\"} 3\n\n\
        eval_fail range from 0 to 1h step 10m b\n\neval instant at 0 \"x\"\n expect string `x`\n";

    #[test]
    fn a_script_is_read_command_by_command() {
        let commands = parse_script(SCRIPT).unwrap();
        let lines: Vec<usize> = commands.iter().map(|command| command.line).collect();
        assert_eq!(lines, [2, 3, 6, 11, 13]);
        let Action::Eval(eval) = &commands[2].action else {
            panic!("not an eval")
        };
        assert_eq!(
            (eval.expr.as_str(), eval.start, eval.ordered),
            ("a + 1", 300_000, true)
        );
        assert_eq!(eval.remarks.len(), 1);
        let Action::Eval(eval) = &commands[3].action else {
            panic!("not an eval")
        };
        assert_eq!(
            (eval.end, eval.step_ms, &eval.fail),
            (3_600_000, 600_000, &Some(Text::Any))
        );
    }

    #[test]
    fn unknown_commands_are_refused_with_their_line() {
        let error = parse_script("clear\nlaod 5m\n").unwrap_err().to_string();
        assert_eq!(error, "line 2: invalid command \"laod 5m\"");
    }

    #[test]
    fn truncated_scripts_do_not_panic() {
        for end in 0..SCRIPT.len() {
            let _ = parse_script(&SCRIPT[..end]);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(clear|load|eval|expect|instant|range|at|5m|from|[ \n\t{}\"#a-z0-9_]){0,40}") {
            let _ = parse_script(&text);
        }
    }
}
