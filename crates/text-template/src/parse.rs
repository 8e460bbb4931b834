//! Tokens to a tree. Error texts are the reference's.

use std::collections::BTreeMap;

use gocompat::quote::{quote, unquote};

use crate::ast::{Branch, Command, List, Node, Operand, Pipeline};
use crate::lex::{Kind, Lexer, Token};
use crate::number;

/// Functions that every template has.
const BUILT_IN: &[&str] = &[
    "and", "call", "eq", "ge", "gt", "html", "index", "js", "le", "len", "lt", "ne", "not", "or",
    "print", "printf", "println", "slice", "urlquery",
];

/// Deepest nesting of blocks and parentheses.
const DEPTH_MAX: usize = 200;

/// What is known where a template stands.
#[derive(Debug, Clone, Copy)]
pub struct Options<'o> {
    /// Its name, for errors.
    pub name: &'o str,
    /// Functions beside the built-in ones.
    pub functions: &'o [&'o str],
    /// Variables that exist before it begins, with their `$`.
    pub variables: &'o [&'o str],
}

/// Why a template cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("template: {name}:{line}: {problem}")]
pub struct ParseError {
    /// Name of the template.
    pub name: String,
    /// Line, from 1.
    pub line: usize,
    /// What is wrong.
    pub problem: String,
}

/// A template that was read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Template {
    /// The template itself.
    pub root: List,
    /// Templates that it defines, by name; the last definition counts.
    pub defined: BTreeMap<String, List>,
}

/// Reads a template.
pub fn parse(text: &str, options: &Options<'_>) -> Result<Template, ParseError> {
    let mut parser = Parser {
        lexer: Lexer::new(text),
        ahead: Vec::new(),
        options,
        scope: Scope {
            variables: std::iter::once("$")
                .chain(options.variables.iter().copied())
                .map(str::to_owned)
                .collect(),
            loops: 0,
        },
        depth: 0,
        line: 1,
        action_line: None,
        defined: BTreeMap::new(),
    };
    let root = parser.root()?;
    Ok(Template {
        root,
        defined: parser.defined,
    })
}

type Result<T, E = ParseError> = std::result::Result<T, E>;

/// What a template's own text can refer to.
#[derive(Debug, Default)]
struct Scope {
    /// Innermost last.
    variables: Vec<String>,
    /// Loops around this place.
    loops: usize,
}

struct Parser<'t, 'o> {
    lexer: Lexer<'t>,
    /// Tokens given back, the next one last.
    ahead: Vec<Token>,
    options: &'o Options<'o>,
    scope: Scope,
    depth: usize,
    /// Line of the newest token.
    line: usize,
    /// Line on which the action at hand begins.
    action_line: Option<usize>,
    defined: BTreeMap<String, List>,
}

/// What ends a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Closing {
    End,
    Else,
}

impl Closing {
    fn as_str(self) -> &'static str {
        match self {
            Self::End => "{{end}}",
            Self::Else => "{{else}}",
        }
    }
}

/// A node, or the end of the list it would be in.
enum Item {
    Node(Node),
    Nothing,
    Closing(Closing),
}

impl Parser<'_, '_> {
    fn next(&mut self) -> Token {
        let token = match self.ahead.pop() {
            Some(token) => token,
            None => self.lexer.token(),
        };
        self.line = token.line;
        token
    }

    fn back(&mut self, token: Token) {
        self.ahead.push(token);
    }

    fn peek(&mut self) -> Kind {
        let token = self.next();
        let kind = token.kind;
        self.back(token);
        kind
    }

    fn next_after_space(&mut self) -> Token {
        loop {
            let token = self.next();
            if token.kind != Kind::Space {
                return token;
            }
        }
    }

    fn peek_after_space(&mut self) -> Kind {
        let token = self.next_after_space();
        let kind = token.kind;
        self.back(token);
        kind
    }

    fn error<T>(&self, problem: impl Into<String>) -> Result<T> {
        Err(ParseError {
            name: self.options.name.to_owned(),
            line: self.line,
            problem: problem.into(),
        })
    }

    fn unexpected<T>(&self, token: &Token, context: &str) -> Result<T> {
        if token.kind != Kind::Error {
            return self.error(format!("unexpected {} in {context}", token.shown()));
        }
        let mut problem = token.text.clone();
        if let Some(line) = self.action_line.filter(|line| *line != token.line) {
            // The word is not said twice.
            let place = format!("started at {}:{line}", self.options.name);
            problem = if problem.ends_with(" action") {
                format!("{problem} {place}")
            } else {
                format!("{problem} in action {place}")
            };
        }
        self.error(problem)
    }

    fn expect(&mut self, kind: Kind, context: &str) -> Result<Token> {
        let token = self.next_after_space();
        if token.kind == kind {
            Ok(token)
        } else {
            self.unexpected(&token, context)
        }
    }

    /// Goes one level deeper while `inner` runs.
    fn deeper<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth == DEPTH_MAX {
            return self.error(format!("nested more than {DEPTH_MAX} levels deep"));
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    fn root(&mut self) -> Result<List> {
        let mut list = List::new();
        while self.peek() != Kind::Eof {
            let token = self.next();
            if token.kind == Kind::LeftDelimiter {
                let first = self.next_after_space();
                if first.kind == Kind::Define {
                    self.definition()?;
                    continue;
                }
                self.back(first);
            }
            self.back(token);
            match self.item()? {
                Item::Node(node) => list.push(node),
                Item::Nothing => {}
                Item::Closing(closing) => {
                    return self.error(format!("unexpected {}", closing.as_str()));
                }
            }
        }
        Ok(list)
    }

    fn definition(&mut self) -> Result<()> {
        const CONTEXT: &str = "define clause";
        let name = self.template_name(CONTEXT)?;
        self.expect(Kind::RightDelimiter, CONTEXT)?;
        let body = self.own_scope(CONTEXT)?;
        self.defined.insert(name, body);
        Ok(())
    }

    /// The body of a template of its own, which knows no variables but its data.
    fn own_scope(&mut self, context: &str) -> Result<List> {
        let inner = Scope {
            variables: vec!["$".to_owned()],
            loops: 0,
        };
        let outer = std::mem::replace(&mut self.scope, inner);
        let (body, closing) = self.list()?;
        self.scope = outer;
        if closing != Closing::End {
            return self.error(format!("unexpected {} in {context}", closing.as_str()));
        }
        Ok(body)
    }

    fn template_name(&mut self, context: &str) -> Result<String> {
        let token = self.next_after_space();
        match token.kind {
            Kind::String | Kind::RawString => self.string(&token),
            _ => self.unexpected(&token, context),
        }
    }

    fn string(&self, token: &Token) -> Result<String> {
        unquote(&token.text).or_else(|_| self.error("invalid syntax"))
    }

    /// Nodes up to what closes them.
    fn list(&mut self) -> Result<(List, Closing)> {
        self.deeper(|parser| {
            let mut list = List::new();
            while parser.peek_after_space() != Kind::Eof {
                match parser.item()? {
                    Item::Node(node) => list.push(node),
                    Item::Nothing => {}
                    Item::Closing(closing) => return Ok((list, closing)),
                }
            }
            parser.error("unexpected EOF")
        })
    }

    fn item(&mut self) -> Result<Item> {
        let token = self.next_after_space();
        match token.kind {
            Kind::Text => Ok(Item::Node(Node::Text(token.text))),
            Kind::LeftDelimiter => {
                self.action_line = Some(token.line);
                let item = self.action()?;
                self.action_line = None;
                Ok(item)
            }
            _ => self.unexpected(&token, "input"),
        }
    }

    fn action(&mut self) -> Result<Item> {
        let token = self.next_after_space();
        let node = match token.kind {
            Kind::Block => self.block()?,
            Kind::Break => self.jump("{{break}}", Node::Break)?,
            Kind::Continue => self.jump("{{continue}}", Node::Continue)?,
            Kind::Else => {
                // `else if` and `else with` go on as if they stood in an action of their own.
                if !matches!(self.peek_after_space(), Kind::If | Kind::With) {
                    self.expect(Kind::RightDelimiter, "else")?;
                }
                return Ok(Item::Closing(Closing::Else));
            }
            Kind::End => {
                self.expect(Kind::RightDelimiter, "end")?;
                return Ok(Item::Closing(Closing::End));
            }
            Kind::If => Node::Branch(Box::new(self.control("if")?)),
            Kind::With => Node::Branch(Box::new(self.control("with")?)),
            Kind::Range => Node::Range(Box::new(self.control("range")?)),
            Kind::Template => self.template()?,
            _ => {
                self.back(token);
                let pipeline = self.pipeline("command", Kind::RightDelimiter)?;
                if pipeline.commands.is_empty() {
                    return Ok(Item::Nothing);
                }
                Node::Action(pipeline)
            }
        };
        Ok(Item::Node(node))
    }

    fn jump(&mut self, shown: &str, node: Node) -> Result<Node> {
        let token = self.next_after_space();
        if token.kind != Kind::RightDelimiter {
            return self.unexpected(&token, shown);
        }
        if self.scope.loops == 0 {
            return self.error(format!("{shown} outside {{{{range}}}}"));
        }
        Ok(node)
    }

    fn block(&mut self) -> Result<Node> {
        const CONTEXT: &str = "block clause";
        let line = self.line;
        let name = self.template_name(CONTEXT)?;
        let pipeline = self.pipeline(CONTEXT, Kind::RightDelimiter)?;
        let body = self.own_scope(CONTEXT)?;
        self.defined.insert(name.clone(), body);
        Ok(Node::Template {
            name,
            pipeline: Some(pipeline),
            line,
        })
    }

    fn template(&mut self) -> Result<Node> {
        const CONTEXT: &str = "template clause";
        let line = self.line;
        let name = self.template_name(CONTEXT)?;
        let token = self.next_after_space();
        let pipeline = if token.kind == Kind::RightDelimiter {
            None
        } else {
            self.back(token);
            Some(self.pipeline(CONTEXT, Kind::RightDelimiter)?)
        };
        Ok(Node::Template {
            name,
            pipeline,
            line,
        })
    }

    fn control(&mut self, context: &str) -> Result<Branch> {
        let visible = self.scope.variables.len();
        let pipeline = self.pipeline(context, Kind::RightDelimiter)?;
        let is_loop = usize::from(context == "range");
        self.scope.loops += is_loop;
        let (body, closing) = self.list()?;
        self.scope.loops -= is_loop;
        let otherwise = match closing {
            Closing::End => None,
            Closing::Else => Some(self.otherwise(context)?),
        };
        self.scope.variables.truncate(visible);
        Ok(Branch {
            rebinds_dot: context != "if",
            pipeline,
            body,
            otherwise,
        })
    }

    /// What stands behind `else`; the one `end` closes a whole chain of `else if`.
    fn otherwise(&mut self, context: &str) -> Result<List> {
        let chained = match context {
            "if" => Kind::If,
            "with" => Kind::With,
            _ => Kind::Eof,
        };
        if chained != Kind::Eof && self.peek_after_space() == chained {
            self.next_after_space();
            let branch = self.deeper(|parser| parser.control(context))?;
            return Ok(vec![Node::Branch(Box::new(branch))]);
        }
        let (list, closing) = self.list()?;
        if closing != Closing::End {
            return self.error(format!("expected end; found {}", closing.as_str()));
        }
        Ok(list)
    }

    fn pipeline(&mut self, context: &str, end: Kind) -> Result<Pipeline> {
        let mut pipeline = Pipeline::default();
        self.peek_after_space();
        pipeline.line = self.line;
        self.declarations(context, &mut pipeline)?;
        loop {
            let token = self.next_after_space();
            match token.kind {
                kind if kind == end => break,
                Kind::Bool
                | Kind::Character
                | Kind::Complex
                | Kind::Dot
                | Kind::Field
                | Kind::Identifier
                | Kind::Number
                | Kind::Nil
                | Kind::RawString
                | Kind::String
                | Kind::Variable
                | Kind::LeftParen => {
                    self.back(token);
                    let command = self.command()?;
                    pipeline.commands.push(command);
                }
                _ => return self.unexpected(&token, context),
            }
        }
        if pipeline.commands.is_empty() {
            return self.error(format!("missing value for {context}"));
        }
        // What gets a value from before must be able to take it.
        for (index, command) in pipeline.commands.iter().enumerate().skip(1) {
            let constant = matches!(
                command.first(),
                Some(
                    Operand::Bool(_)
                        | Operand::Dot
                        | Operand::Nil
                        | Operand::Number(_)
                        | Operand::String(_)
                )
            );
            if constant {
                return self.error(format!(
                    "non executable command in pipeline stage {}",
                    index + 1
                ));
            }
        }
        Ok(pipeline)
    }

    /// `$x := `, `$x = `, and for loops `$i, $x := `.
    fn declarations(&mut self, context: &str, pipeline: &mut Pipeline) -> Result<()> {
        loop {
            let variable = self.next_after_space();
            if variable.kind != Kind::Variable {
                self.back(variable);
                return Ok(());
            }
            let behind = self.next();
            let (space, next) = if behind.kind == Kind::Space {
                (Some(behind), self.next_after_space())
            } else {
                (None, behind)
            };
            match next.kind {
                Kind::Assign | Kind::Declare => {
                    pipeline.assigns = next.kind == Kind::Assign;
                    self.scope.variables.push(variable.text.clone());
                    pipeline.variables.push(variable.text);
                    return Ok(());
                }
                Kind::Char if next.text == "," => {
                    self.scope.variables.push(variable.text.clone());
                    pipeline.variables.push(variable.text);
                    if context != "range" || pipeline.variables.len() >= 2 {
                        return self.error(format!("too many declarations in {context}"));
                    }
                    let kind = self.peek_after_space();
                    let goes_on = matches!(
                        kind,
                        Kind::Variable | Kind::RightDelimiter | Kind::RightParen
                    );
                    if !goes_on {
                        return self.error("range can only initialize variables");
                    }
                }
                _ => {
                    self.back(next);
                    if let Some(space) = space {
                        self.back(space);
                    }
                    self.back(variable);
                    return Ok(());
                }
            }
        }
    }

    fn command(&mut self) -> Result<Command> {
        let mut command = Command::new();
        loop {
            self.peek_after_space();
            if let Some(operand) = self.operand()? {
                command.push(operand);
            }
            let token = self.next();
            match token.kind {
                Kind::Space => {}
                Kind::RightDelimiter | Kind::RightParen => {
                    self.back(token);
                    break;
                }
                Kind::Pipe => break,
                _ => return self.unexpected(&token, "operand"),
            }
        }
        if command.is_empty() {
            return self.error("empty command");
        }
        Ok(command)
    }

    /// A term with the fields behind it.
    fn operand(&mut self) -> Result<Option<Operand>> {
        let Some((term, shown)) = self.term()? else {
            return Ok(None);
        };
        let mut fields = Vec::new();
        while self.peek() == Kind::Field {
            fields.push(field_name(&self.next()));
        }
        if fields.is_empty() {
            return Ok(Some(term));
        }
        Ok(Some(match term {
            Operand::Field(mut path) => {
                path.append(&mut fields);
                Operand::Field(path)
            }
            Operand::Variable(name, mut path) => {
                path.append(&mut fields);
                Operand::Variable(name, path)
            }
            Operand::Bool(_)
            | Operand::String(_)
            | Operand::Number(_)
            | Operand::Nil
            | Operand::Dot => {
                return self.error(format!("unexpected . after term {}", quote(&shown)));
            }
            other => Operand::Chain(Box::new(other), fields),
        }))
    }

    /// A term, and its text.
    fn term(&mut self) -> Result<Option<(Operand, String)>> {
        let token = self.next_after_space();
        let number = |result: std::result::Result<_, String>| match result {
            Ok(number) => Ok(Operand::Number(number)),
            Err(problem) => self.error(problem),
        };
        let operand = match token.kind {
            Kind::Identifier => {
                let name = token.text.as_str();
                if !BUILT_IN.contains(&name) && !self.options.functions.contains(&name) {
                    return self.error(format!("function {} not defined", quote(name)));
                }
                Operand::Function(name.to_owned())
            }
            Kind::Dot => Operand::Dot,
            Kind::Nil => Operand::Nil,
            Kind::Variable => {
                if !self.scope.variables.contains(&token.text) {
                    return self.error(format!("undefined variable {}", quote(&token.text)));
                }
                Operand::Variable(token.text.clone(), Vec::new())
            }
            Kind::Field => Operand::Field(vec![field_name(&token)]),
            Kind::Bool => Operand::Bool(token.text == "true"),
            Kind::Number => number(number::read(&token.text))?,
            Kind::Character => number(number::read_character(&token.text))?,
            Kind::Complex => number(number::read_complex(&token.text))?,
            Kind::String | Kind::RawString => Operand::String(self.string(&token)?),
            Kind::LeftParen => {
                let inner =
                    |parser: &mut Self| parser.pipeline("parenthesized pipeline", Kind::RightParen);
                Operand::Pipeline(Box::new(self.deeper(inner)?))
            }
            _ => {
                self.back(token);
                return Ok(None);
            }
        };
        Ok(Some((operand, token.text)))
    }
}

/// The name in a field token.
fn field_name(token: &Token) -> String {
    token.text.strip_prefix('.').unwrap_or("").to_owned()
}

#[cfg(test)]
mod tests;
