//! The syntax tree.

/// A sequence of nodes.
pub type List = Vec<Node>;

/// A part of a template.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// Text that is printed as it stands, trimmed where the actions around it say so.
    Text(String),
    /// A pipeline whose value is printed.
    Action(Pipeline),
    /// `if`, `with`.
    Branch(Box<Branch>),
    /// `range`.
    Range(Box<Branch>),
    /// `template "name" pipeline`, and what is left of `block` at its place.
    Template {
        /// Name of the template.
        name: String,
        /// What becomes its data.
        pipeline: Option<Pipeline>,
        /// Line of the action, from 1.
        line: usize,
    },
    /// `break`.
    Break,
    /// `continue`.
    Continue,
}

/// A condition or a loop, with what is done and what else.
#[derive(Debug, Clone, PartialEq)]
pub struct Branch {
    /// Whether the body sees the pipeline's value as its dot (`with`, `range`).
    pub rebinds_dot: bool,
    /// What decides.
    pub pipeline: Pipeline,
    /// The body.
    pub body: List,
    /// What is done otherwise.
    pub otherwise: Option<List>,
}

/// Commands, each of which gets the value of the one before as its last argument.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Pipeline {
    /// Line of the action, from 1.
    pub line: usize,
    /// Variables that get the value, with their `$`.
    pub variables: Vec<String>,
    /// Whether the variables exist already (`=`) or are declared here (`:=`).
    pub assigns: bool,
    /// The commands.
    pub commands: Vec<Command>,
}

/// A value or a call: the first operand with the others as arguments.
pub type Command = Vec<Operand>;

/// A number in all forms that its text allows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Number {
    /// As a signed integer.
    pub int: Option<i64>,
    /// As an unsigned integer.
    pub uint: Option<u64>,
    /// As a float; `None` only for imaginary numbers.
    pub float: Option<f64>,
}

/// What a command consists of.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    /// `.`
    Dot,
    /// `nil`
    Nil,
    /// `true`, `false`
    Bool(bool),
    /// A number or a character.
    Number(Number),
    /// A string without its quotation marks. Bytes that are no text are U+FFFD.
    String(String),
    /// The name of a function.
    Function(String),
    /// `.a.b`
    Field(Vec<String>),
    /// `$x.a.b`: the variable with its `$`, then fields.
    Variable(String, Vec<String>),
    /// `( … )`
    Pipeline(Box<Pipeline>),
    /// `( … ).a.b`: fields of what is not a field or a variable.
    Chain(Box<Operand>, Vec<String>),
}
