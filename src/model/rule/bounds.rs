//! What a text must keep to before the CEL parser sees it.
//!
//! The parser and the evaluator recurse: 5,000 opening brackets, 10,000 chained members or 10,000 signs would overflow the stack,
//! which aborts the process. So tokens are counted and the depth of the tree to come is estimated from above. Where this scanner could
//! read a text differently from CEL's own (raw and triple quoted strings, rare escapes, comments), the text is refused.

use super::{Rule, RuleError};

/// What a bracket weighs: the parser goes through every rank of operators to get into it.
const BRACKET: usize = 3;

/// Checks length, characters, tokens and nesting.
pub(super) fn check(text: &str) -> Result<(), RuleError> {
    if text.len() > Rule::MOST_BYTES {
        return Err(RuleError::TooLong(text.len()));
    }
    Scanner { chars: text.chars().peekable(), column: 0, tokens: 0, levels: vec![Level::default()] }.run()
}

/// How deep the tree of one bracket's content may be.
#[derive(Default)]
struct Level {
    /// `? :` of the expression; they nest to the right.
    choices: usize,
    /// Operators and members since the last `&&`, `||`, `?`, `:` or comma; they nest in one direction or the other.
    chain: usize,
}

struct Scanner<'a> {
    chars: std::iter::Peekable<std::str::Chars<'a>>,
    column: usize,
    tokens: usize,
    levels: Vec<Level>,
}

impl Scanner<'_> {
    fn run(mut self) -> Result<(), RuleError> {
        while let Some(c) = self.next() {
            if c == ' ' || c == '\n' || c == '\r' || c == '\t' {
                continue;
            }
            self.tokens += 1;
            if self.tokens > Rule::MOST_TOKENS {
                return Err(RuleError::TooManyTokens);
            }
            self.token(c)?;
            let depth: usize = self.levels.iter().map(|level| BRACKET + level.choices + level.chain).sum();
            if depth > Rule::MOST_NESTING {
                return Err(RuleError::TooDeep { column: self.column });
            }
        }
        Ok(())
    }

    fn next(&mut self) -> Option<char> {
        self.column += 1;
        self.chars.next()
    }

    fn token(&mut self, c: char) -> Result<(), RuleError> {
        match c {
            '\'' | '"' => self.string(c)?,
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' => self.word(c)?,
            '(' | '[' => {
                self.chain();
                self.levels.push(Level::default());
            }
            ')' | ']' if self.levels.len() > 1 => {
                self.levels.pop();
            }
            ')' | ']' => return Err(self.error("this bracket was never opened")),
            ',' => self.restart(true),
            '&' | '|' if self.chars.peek() == Some(&c) => {
                self.next();
                self.restart(false);
            }
            '?' | ':' => {
                if let Some(level) = self.levels.last_mut() {
                    level.choices += 1;
                }
                self.restart(false);
            }
            '/' if self.chars.peek() == Some(&'/') => return Err(self.error("rules have no comments")),
            '.' | '!' | '-' | '+' | '*' | '/' | '%' | '<' | '>' | '=' => self.operator(),
            other => return Err(self.error(&format!("rules have no {other:?} outside of quotes"))),
        }
        Ok(())
    }

    /// `==`, `<=` and their like count once.
    fn operator(&mut self) {
        if self.chars.peek() == Some(&'=') {
            self.next();
        }
        self.chain();
    }

    fn chain(&mut self) {
        if let Some(level) = self.levels.last_mut() {
            level.chain += 1;
        }
    }

    fn restart(&mut self, choices_too: bool) {
        if let Some(level) = self.levels.last_mut() {
            level.chain = 0;
            if choices_too {
                level.choices = 0;
            }
        }
    }

    /// A name, a keyword or a number.
    fn word(&mut self, first: char) -> Result<(), RuleError> {
        let mut word = String::from(first);
        while let Some(c) = self.chars.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
            self.column += 1;
            word.push(c);
        }
        if matches!(self.chars.peek(), Some('\'' | '"')) {
            return Err(self.error("rules know quoted text without a prefix only"));
        }
        if word == "in" {
            self.chain();
        }
        Ok(())
    }

    /// The rest of a quoted text.
    fn string(&mut self, quote: char) -> Result<(), RuleError> {
        let mut empty = true;
        loop {
            match self.next() {
                None | Some('\n' | '\r') => return Err(self.error("a quoted text must end on its line")),
                Some('\\') => {
                    if !matches!(self.next(), Some('\\' | '\'' | '"')) {
                        return Err(self.error("in quoted text, \\ stands only before \\, ' and \""));
                    }
                }
                Some(c) if c == quote => break,
                Some(c) if c.is_control() => return Err(self.error("a control character in quoted text")),
                Some(_) => {}
            }
            empty = false;
        }
        if empty && self.chars.peek() == Some(&quote) {
            return Err(self.error("rules know no triple quotes"));
        }
        Ok(())
    }

    fn error(&self, what: &str) -> RuleError {
        RuleError::Text { column: self.column, what: what.to_owned() }
    }
}
