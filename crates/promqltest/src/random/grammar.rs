//! Productions: each writes an expression of one type; `depth` is how many more may nest.

use super::dice::Dice;
use super::metrics::{FLOATS, HISTOGRAMS, LABELS, TAME_FLOATS};

const DEPTH: usize = 4;

/// A whole query.
pub(super) fn query(dice: &mut Dice, instant: bool) -> String {
    match dice.below(20) {
        0 => scalar(dice, DEPTH),
        1 | 2 if instant => sorted(dice),
        3 if instant => range(dice, DEPTH),
        4..=6 => histogram_query(dice),
        _ => vector(dice, DEPTH),
    }
}

fn sorted(dice: &mut Dice) -> String {
    let inner = stable(dice, 1);
    match dice.below(5) {
        0 => format!("sort({inner})"),
        1 => format!("sort_desc({inner})"),
        2 => format!("sort_by_label({inner}, \"{}\")", plain_label(dice)),
        3 => format!(
            "sort_by_label_desc({inner}, \"{}\", \"zone\")",
            plain_label(dice)
        ),
        _ => format!("topk({}, {inner})", dice.below(6)),
    }
}

fn scalar(dice: &mut Dice, depth: usize) -> String {
    match dice.below(if depth == 0 { 4 } else { 10 }) {
        0..=2 => number(dice).to_owned(),
        3 => dice.pick(&["time()", "pi()"]).to_owned(),
        4 => format!("scalar({})", vector(dice, depth - 1)),
        5 => format!("-{}", number(dice).trim_start_matches('-')),
        6 => {
            let op = dice.pick(&["==", "!=", ">", "<", ">=", "<="]);
            let (left, right) = (scalar(dice, depth - 1), scalar(dice, depth - 1));
            format!("({left} {op} bool {right})")
        }
        _ => {
            let (left, right) = (scalar(dice, depth - 1), scalar(dice, depth - 1));
            format!("({left} {} {right})", arithmetic(dice))
        }
    }
}

fn number(dice: &mut Dice) -> &'static str {
    dice.pick(&[
        "0", "1", "2", "0.5", "-1", "3.7", "10", "100", "1e3", "1e-3", "NaN", "Inf", "-Inf",
        "0x1F", "5m", "1_000", "1e10",
    ])
}

/// A vector whose order is the same in every run of the reference; `depth` is not 0 only in instant
/// queries, for functions of instant vectors give theirs in no order in others.
fn stable(dice: &mut Dice, depth: usize) -> String {
    match dice.below(5) {
        0 | 1 => selector(dice),
        2 => format!("{}({})", dice.pick(OVER_TIME), range_selector(dice)),
        3 if depth > 0 => format!("{}({})", dice.pick(MAPS), stable(dice, depth - 1)),
        _ => {
            let (op, labels) = (dice.pick(&["sum", "avg", "max"]), label_list(dice));
            format!("{op} by ({labels}) ({})", stable_tame(dice))
        }
    }
}

fn stable_tame(dice: &mut Dice) -> String {
    format!("{}{}", dice.pick(TAME_FLOATS), modifiers(dice))
}

const MAPS: &[&str] = &[
    "abs",
    "ceil",
    "floor",
    "exp",
    "ln",
    "log2",
    "log10",
    "sqrt",
    "sgn",
    "sin",
    "cos",
    "tan",
    "asin",
    "acos",
    "atan",
    "sinh",
    "cosh",
    "tanh",
    "asinh",
    "acosh",
    "atanh",
    "deg",
    "rad",
    "round",
    "timestamp",
    "minute",
    "hour",
    "day_of_week",
    "day_of_month",
    "day_of_year",
    "days_in_month",
    "month",
    "year",
];

const OVER_TIME: &[&str] = &[
    "rate",
    "rate",
    "increase",
    "irate",
    "delta",
    "idelta",
    "deriv",
    "changes",
    "resets",
    "avg_over_time",
    "min_over_time",
    "max_over_time",
    "sum_over_time",
    "count_over_time",
    "last_over_time",
    "present_over_time",
    "stddev_over_time",
    "stdvar_over_time",
    "absent_over_time",
    "ts_of_max_over_time",
    "ts_of_min_over_time",
    "ts_of_last_over_time",
];

fn vector(dice: &mut Dice, depth: usize) -> String {
    if depth == 0 {
        return selector(dice);
    }
    match dice.below(24) {
        0 | 1 => selector(dice),
        2..=6 => format!("{}({})", dice.pick(OVER_TIME), range(dice, depth - 1)),
        7 | 8 => format!("{}({})", dice.pick(MAPS), vector(dice, depth - 1)),
        9 => {
            let inner = vector(dice, depth - 1);
            match dice.below(4) {
                0 => format!("clamp({inner}, {}, {})", number(dice), number(dice)),
                1 => format!("clamp_min({inner}, {})", scalar(dice, 1)),
                2 => format!("clamp_max({inner}, {})", scalar(dice, 1)),
                _ => format!(
                    "round({inner}, {})",
                    dice.pick(&["0.1", "5", "100", "0.003"])
                ),
            }
        }
        10 => {
            let range = range(dice, depth - 1);
            match dice.below(3) {
                0 => format!("quantile_over_time({}, {range})", quantile(dice)),
                // Of a subquery with `@` the reference evaluates times that no window has (its
                // result is the same), and makes remarks about them.
                1 if range.contains(':') && range.contains('@') => {
                    format!("predict_linear({}, 60)", range_selector(dice))
                }
                1 => format!("predict_linear({range}, {})", scalar(dice, 0)),
                _ => format!("double_exponential_smoothing({range}, 0.3, 0.7)"),
            }
        }
        11..=14 => {
            let inner = vector(dice, depth - 1);
            aggregation(dice, &inner)
        }
        15..=18 => binary(dice, depth),
        19 => format!("vector({})", scalar(dice, depth - 1)),
        20 => format!("absent({})", vector(dice, depth - 1)),
        21 => labels(dice, depth),
        22 => format!("({})", vector(dice, depth - 1)),
        _ => format!(
            "topk({}, {})",
            dice.pick(&["1", "2", "3", "0", "7.9"]),
            stable(dice, 0)
        ),
    }
}

fn quantile(dice: &mut Dice) -> &'static str {
    dice.pick(&["0", "0.1", "0.5", "0.9", "0.999", "1", "-0.1", "1.5"])
}

fn labels(dice: &mut Dice, depth: usize) -> String {
    let inner = if dice.one_in(2) {
        selector(dice)
    } else {
        vector(dice, depth - 1)
    };
    let target = dice.pick(&["x", "new", "__name__", "le"]);
    let source = plain_label(dice);
    if dice.one_in(3) {
        return format!("label_join({inner}, \"{target}\", \"-\", \"{source}\", \"job\")");
    }
    let regex = dice.pick(&["(.*)", "(.)(.*)", "", "([a-z]+).*", "nomatch", ".*(\\\\d)"]);
    let template = dice.pick(&["$1", "x-$1", "${1}y", "const", "$2$1", "$9", ""]);
    format!("label_replace({inner}, \"{target}\", \"{template}\", \"{source}\", \"{regex}\")")
}

fn plain_label(dice: &mut Dice) -> String {
    dice.pick(LABELS).trim_matches('"').to_owned()
}

fn aggregation(dice: &mut Dice, inner: &str) -> String {
    let grouping = match dice.below(4) {
        0 => String::new(),
        1 => format!(" without ({}) ", label_list(dice)),
        _ => format!(" by ({}) ", label_list(dice)),
    };
    match dice.below(12) {
        0 => format!("quantile{grouping}({}, {inner})", quantile(dice)),
        // The values become labels: they must be the same to the last bit.
        1 => format!("count_values{grouping}(\"v\", {})", stable(dice, 0)),
        // Far from zero they depend on the order that values are added in: of
        // `stdvar(max_over_time(x[1h]) - time())` the reference gave 40 answers in 40 runs.
        2 | 3 => {
            let op = dice.pick(&["stddev", "stdvar"]);
            format!("{op}{grouping}({})", stable(dice, 0))
        }
        _ => {
            let op = dice.pick(&["sum", "sum", "avg", "count", "min", "max", "group"]);
            format!("{op}{grouping}({inner})")
        }
    }
}

fn label_list(dice: &mut Dice) -> String {
    let count = dice.below(3);
    let names: Vec<&str> = (0..count).map(|_| dice.pick(LABELS)).collect();
    names.join(", ")
}

fn arithmetic(dice: &mut Dice) -> &'static str {
    dice.pick(&["+", "-", "*", "/", "%", "^", "atan2", "+", "-", "*", "/"])
}

fn comparison(dice: &mut Dice) -> &'static str {
    dice.pick(&["==", "!=", ">", "<", ">=", "<="])
}

fn binary(dice: &mut Dice, depth: usize) -> String {
    let left = vector(dice, depth - 1);
    match dice.below(10) {
        0 | 1 => format!("({left} {} {})", arithmetic(dice), scalar(dice, 1)),
        2 => format!("({} {} {left})", scalar(dice, 1), arithmetic(dice)),
        3 => {
            let bool = dice.pick(&["", "bool "]);
            format!("({left} {} {bool}{})", comparison(dice), scalar(dice, 1))
        }
        4 => {
            let op = dice.pick(&["and", "or", "unless"]);
            let right = vector(dice, depth - 1);
            format!("({left} {op}{} {right})", matching(dice))
        }
        5 => format!(
            "({left} {}{} {left})",
            arithmetic(dice),
            dice.pick(&["", " ignoring (nolabel)"])
        ),
        6 => {
            let op = if dice.one_in(2) {
                arithmetic(dice).to_owned()
            } else {
                format!("{} bool", comparison(dice))
            };
            let group = match dice.below(4) {
                0 => "group_left ()",
                1 => "group_right ()",
                2 => "group_left (side)",
                _ => "",
            };
            let right = vector(dice, depth - 1);
            let matching = matching(dice);
            let group = if matching.is_empty() { "" } else { group };
            let group = if matching.contains("side") { "" } else { group };
            format!("({left} {op}{matching} {group} {right})")
        }
        7 => {
            // Equal only if added up in the same order.
            let left = stable(dice, 0);
            format!("({left} {} {left})", comparison(dice))
        }
        _ => {
            let right = vector(dice, depth - 1);
            format!("({left} {} {right})", arithmetic(dice))
        }
    }
}

fn matching(dice: &mut Dice) -> String {
    match dice.below(4) {
        0 => String::new(),
        1 => format!(" ignoring ({})", label_list(dice)),
        _ => format!(" on ({})", label_list(dice)),
    }
}

fn selector(dice: &mut Dice) -> String {
    format!("{}{}", dice.pick(FLOATS), modifiers(dice))
}

fn modifiers(dice: &mut Dice) -> String {
    let at = dice.pick(&[
        "",
        "",
        "",
        "",
        "",
        "",
        "",
        "",
        " @ end()",
        " @ start()",
        " @ 1767233000",
        " @ 1767234000.5",
    ]);
    let offset = dice.pick(&[
        "",
        "",
        "",
        "",
        "",
        "",
        "",
        " offset 1m",
        " offset 7m",
        " offset 33s",
        " offset -2m",
    ]);
    format!("{at}{offset}")
}

fn window(dice: &mut Dice) -> &'static str {
    dice.pick(&[
        "1m", "2m", "5m", "5m", "10m", "17s", "1h", "1m30s", "300", "29s", "15s",
    ])
}

fn range_selector(dice: &mut Dice) -> String {
    format!("{}[{}]{}", dice.pick(FLOATS), window(dice), modifiers(dice))
}

fn range(dice: &mut Dice, depth: usize) -> String {
    if depth == 0 || !dice.one_in(4) {
        return range_selector(dice);
    }
    let inner = vector(dice, depth - 1);
    let inner = match inner.as_bytes().last() {
        Some(b')') if !inner.starts_with('(') => inner,
        _ => format!("({inner})"),
    };
    let step = dice.pick(&["", "1m", "30s", "17s", "2m"]);
    let range = dice.pick(&["5m", "10m", "3m", "61s"]);
    // The reference looks at other times if there is `@` inside and an offset outside.
    let modifiers = if inner.contains('@') {
        String::new()
    } else {
        modifiers(dice)
    };
    format!("{inner}[{range}:{step}]{modifiers}")
}

/// Queries about native histograms.
fn histogram_query(dice: &mut Dice) -> String {
    let metric = format!("{}{}", dice.pick(HISTOGRAMS), modifiers(dice));
    let range = format!(
        "{}[{}]{}",
        dice.pick(HISTOGRAMS),
        window(dice),
        modifiers(dice)
    );
    let function = dice.pick(&[
        "delta",
        "idelta",
        "irate",
        "changes",
        "resets",
        "count_over_time",
        "last_over_time",
        "present_over_time",
        "min_over_time",
        "max_over_time",
        "avg_over_time",
        "quantile_over_time(0.5",
        "stddev_over_time",
        "deriv",
    ]);
    let call = if function.contains('(') {
        format!("{function}, {range})")
    } else {
        format!("{function}({range})")
    };
    let histogram = match dice.below(5) {
        0 => "rate(nh_seconds[5m])".to_owned(),
        1 => "sum by (path) (rate(nh_seconds[5m]))".to_owned(),
        2 => format!(
            "({} * {})",
            dice.pick(&["nh_seconds", "nh_schema_change", "nh_negative"]),
            dice.pick(&["2", "0.5", "-1", "0"])
        ),
        _ => metric.clone(),
    };
    match dice.below(12) {
        0 | 1 => metric,
        2..=4 => call,
        5 => format!("histogram_quantile({}, {histogram})", quantile(dice)),
        6 => format!(
            "histogram_fraction({}, {}, {histogram})",
            dice.pick(&["0", "-Inf", "0.1", "1", "-2.5"]),
            dice.pick(&["Inf", "0.5", "2", "1000", "0.07"])
        ),
        7 => {
            let function = dice.pick(&[
                "histogram_count",
                "histogram_sum",
                "histogram_avg",
                "histogram_stddev",
                "histogram_stdvar",
            ]);
            format!("{function}({histogram})")
        }
        8 => format!("count({metric})"),
        9 => {
            let op = dice.pick(&["==", "!=", "== bool", ">", "and", "or", "unless"]);
            format!("{histogram} {op} {metric}")
        }
        10 => format!("{histogram} {} {}", arithmetic(dice), scalar(dice, 0)),
        _ => format!(
            "{}({metric})",
            dice.pick(&[
                "abs",
                "timestamp",
                "absent",
                "group",
                "min",
                "stddev",
                "scalar",
                "-",
                "sgn"
            ])
        ),
    }
}
