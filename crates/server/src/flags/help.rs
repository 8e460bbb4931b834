//! The table as text: help, manual page, Markdown, completion.

use super::table::{FLAGS, Flag, Kind, Mode};

/// One sentence on the program.
const ABOUT: &str = "The Prometheus monitoring server";
/// Column in which explanations start.
const HELP_COLUMN: usize = 33;
/// Width of the whole text.
const WIDTH: usize = 80;

/// What `--help` prints, or with `all` what `--help-long` prints.
pub fn help(all: bool) -> String {
    let mut out = format!("usage: prometheus [<flags>]\n\n{ABOUT}\n\n\nFlags:\n");
    for flag in FLAGS.iter().filter(|flag| all || !flag.hidden) {
        let left = format!("  {}{}", shorthand(flag), usage(flag, true));
        out.push_str(&left);
        let mut column = left.chars().count();
        if column + 2 > HELP_COLUMN {
            out.push_str("  \n");
            column = 0;
        }
        for line in wrap(&explanation(flag), WIDTH - HELP_COLUMN) {
            out.push_str(&" ".repeat(HELP_COLUMN - column));
            out.push_str(&line);
            out.push('\n');
            column = 0;
        }
    }
    out.push('\n');
    out
}

fn shorthand(flag: &Flag) -> &'static str {
    if flag.name == "help" { "-h, " } else { "    " }
}

/// The flag as it is written, with its default or a placeholder.
fn usage(flag: &Flag, with_no: bool) -> String {
    let name = flag.name;
    let value = match flag.kind {
        Kind::Bool if with_no => return format!("--[no-]{name}"),
        Kind::Bool => return format!("--{name}"),
        Kind::Url => "=<URL>".to_owned(),
        Kind::Text if flag.repeatable && flag.default.is_empty() => "=NAME".to_owned(),
        Kind::Text if !flag.repeatable => format!("=\"{}\"", flag.default),
        _ => format!("={}", flag.default),
    };
    format!(
        "--{name}{value}{}",
        if flag.repeatable { " ..." } else { "" }
    )
}

fn explanation(flag: &Flag) -> String {
    match flag.mode {
        Mode::Both => flag.help.to_owned(),
        Mode::Server => format!("{} Use with server mode only.", flag.help),
        Mode::Agent => format!("{} Use with agent mode only.", flag.help),
    }
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let Some(line) = lines.last_mut() else { break };
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

/// What `--help-man` prints: a page for `man`.
pub fn man_page(version: &str) -> String {
    let first_line = version.lines().next().unwrap_or_default();
    let mut out = format!(
        ".TH prometheus 1 \"{first_line}\" \"\"\n.SH \"NAME\"\nprometheus\n.SH \"SYNOPSIS\"\n.TP\n\
         \\fBprometheus [<flags>]\\fR\n\n.SH \"DESCRIPTION\"\n{ABOUT}\n.SH \"OPTIONS\"\n"
    );
    for flag in FLAGS.iter().filter(|flag| !flag.hidden) {
        let short = if flag.name == "help" { "-h, " } else { "" };
        let usage = usage(flag, false);
        out.push_str(&format!(
            ".TP\n\\fB{short}{usage}\\fR\n{}\n",
            explanation(flag)
        ));
    }
    out
}

/// What `--write-documentation` prints: all visible flags as a Markdown table.
pub fn markdown() -> String {
    let mut out = format!(
        "---\ntitle: prometheus\n---\n\n{ABOUT}\n\n## Flags\n\n\
         | Flag | Description | Default |\n| --- | --- | --- |\n"
    );
    for flag in FLAGS.iter().filter(|flag| !flag.hidden) {
        let short = if flag.name == "help" {
            "<code class=\"text-nowrap\">-h</code>, "
        } else {
            ""
        };
        let repeats = if flag.repeatable {
            " <code class=\"text-nowrap\">...</code>"
        } else {
            ""
        };
        let default = match flag.kind {
            Kind::Bool if flag.default == "false" => String::new(),
            _ if flag.default.is_empty() => String::new(),
            _ => format!("`{}`", flag.default),
        };
        let text = explanation(flag).replace('|', "\\|").replace('<', "&lt;");
        out.push_str(&format!(
            "| {short}<code class=\"text-nowrap\">--{}</code>{repeats} | {text} | {default} |\n",
            flag.name
        ));
    }
    out
}

/// The visible flags, one a line.
pub(super) fn completion_words() -> String {
    let visible = FLAGS.iter().filter(|flag| !flag.hidden);
    visible.map(|flag| format!("--{}\n", flag.name)).collect()
}

/// A completion script for bash.
pub(super) fn bash_completion() -> String {
    let words = completion_words().replace('\n', " ");
    format!(
        "_prometheus() {{\n    local current=\"${{COMP_WORDS[COMP_CWORD]}}\"\n    \
         COMPREPLY=( $(compgen -W \"{}\" -- \"$current\") )\n}}\n\
         complete -F _prometheus -o default prometheus\n",
        words.trim_end()
    )
}

/// A completion script for zsh.
pub(super) fn zsh_completion() -> String {
    let words = completion_words().replace('\n', " ");
    format!("#compdef prometheus\ncompadd -- {}\n", words.trim_end())
}
