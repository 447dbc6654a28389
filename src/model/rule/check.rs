//! What a parsed rule may name, and what it may cost.

use std::collections::BTreeMap;

use cel::{
    IdedExpr,
    common::ast::{CallExpr, ComprehensionExpr, Expr, SelectExpr, operators},
};

use super::{FactName, Rule, RuleError};
use crate::model::device::Facts;

/// The functions that rules have, besides the operators and the macros `has`, `exists`, `all`, `exists_one`, `map`, `filter`.
pub(super) const FUNCTIONS: [&str; 8] =
    ["version", "size", "contains", "startsWith", "endsWith", "int", "double", "string"];

const OPERATORS: [&str; 18] = [
    operators::CONDITIONAL,
    operators::LOGICAL_AND,
    operators::LOGICAL_OR,
    operators::LOGICAL_NOT,
    operators::SUBSTRACT,
    operators::ADD,
    operators::MULTIPLY,
    operators::DIVIDE,
    operators::MODULO,
    operators::EQUALS,
    operators::NOT_EQUALS,
    operators::GREATER_EQUALS,
    operators::LESS_EQUALS,
    operators::GREATER,
    operators::LESS,
    operators::NEGATE,
    operators::INDEX,
    operators::IN,
];

const MOST_LOOPS: usize = 2;

/// Checks that a rule names only facts, loop variables and known functions, and that its loops are few.
pub(super) fn check(expression: &IdedExpr) -> Result<(), RuleError> {
    Checker { bound: Vec::new(), depth: 0 }.expression(expression)
}

struct Checker<'a> {
    /// Variables of the loops around, outermost first; each loop brings two, its own and its result.
    bound: Vec<&'a str>,
    depth: usize,
}

impl<'a> Checker<'a> {
    fn expression(&mut self, expression: &'a IdedExpr) -> Result<(), RuleError> {
        self.depth += 1;
        if self.depth > Rule::MOST_DEPTH {
            return Err(RuleError::TooDeepTree);
        }
        let checked = self.node(&expression.expr);
        self.depth -= 1;
        checked
    }

    fn node(&mut self, expression: &'a Expr) -> Result<(), RuleError> {
        match expression {
            Expr::Literal(_) => Ok(()),
            Expr::Ident(name) => self.name(name),
            Expr::Select(select) => self.select(select),
            Expr::Call(call) => self.call(call),
            Expr::List(list) => list.elements.iter().try_for_each(|element| self.expression(element)),
            Expr::Comprehension(looped) => self.looped(looped),
            Expr::Map(_) | Expr::Struct(_) => Err(RuleError::Map),
            Expr::Unspecified => Err(RuleError::Syntax { column: 1, what: "an expression is missing".to_owned() }),
        }
    }

    fn name(&self, name: &str) -> Result<(), RuleError> {
        let known = self.bound.contains(&name) || ["installed", "tags", "ua"].contains(&name);
        if known { Ok(()) } else { Err(RuleError::UnknownFact { name: name.to_owned() }) }
    }

    fn select(&mut self, select: &'a SelectExpr) -> Result<(), RuleError> {
        let Expr::Ident(whole) = &select.operand.expr else { return self.member(select) };
        if self.bound.contains(&whole.as_str()) {
            return self.member(select);
        }
        let name = format!("{whole}.{}", select.field);
        let known = name == "dev.id" || (whole != "installed" && FactName::named(&name).is_some());
        if known { Ok(()) } else { Err(RuleError::UnknownFact { name }) }
    }

    /// A member of a component of `installed`.
    fn member(&mut self, select: &'a SelectExpr) -> Result<(), RuleError> {
        let known = ["id", "version", "active", "pkg"].contains(&select.field.as_str());
        if known {
            self.expression(&select.operand)
        } else {
            Err(RuleError::UnknownFact { name: format!("….{}", select.field) })
        }
    }

    fn call(&mut self, call: &'a CallExpr) -> Result<(), RuleError> {
        let name = call.func_name.as_str();
        if !FUNCTIONS.contains(&name) && !OPERATORS.contains(&name) && name != operators::NOT_STRICTLY_FALSE {
            return Err(RuleError::UnknownFunction { name: name.to_owned() });
        }
        call.target.as_deref().into_iter().chain(&call.args).try_for_each(|part| self.expression(part))
    }

    fn looped(&mut self, looped: &'a ComprehensionExpr) -> Result<(), RuleError> {
        let runs_over = match &looped.iter_range.expr {
            Expr::Ident(name) => ["installed", "tags"].contains(&name.as_str()) && !self.bound.contains(&name.as_str()),
            Expr::List(_) | Expr::Comprehension(_) => true,
            Expr::Call(_) | Expr::Select(_) | Expr::Literal(_) | Expr::Map(_) | Expr::Struct(_) | Expr::Unspecified => {
                false
            }
        };
        if !runs_over || self.bound.len() >= 2 * MOST_LOOPS {
            return Err(RuleError::Loop);
        }
        self.expression(&looped.iter_range)?;
        self.expression(&looped.accu_init)?;
        self.bound.extend([looped.iter_var.as_str(), looped.accu_var.as_str()]);
        let inner = [&looped.loop_cond, &looped.loop_step, &looped.result];
        let checked = inner.into_iter().try_for_each(|part| self.expression(part));
        self.bound.truncate(self.bound.len() - 2);
        checked
    }
}

/// An upper estimate of what an evaluation costs: a step for each node of the tree, as often as loops repeat it, and for each value
/// that is copied or compared as many as it has elements.
pub(super) fn steps(expression: &IdedExpr, facts: &Facts) -> u64 {
    Meter { facts, weights: BTreeMap::new() }.steps(expression)
}

struct Meter<'a> {
    facts: &'a Facts,
    /// How many elements the value of a loop variable has at most, those of its elements included.
    weights: BTreeMap<&'a str, u64>,
}

impl<'a> Meter<'a> {
    fn steps(&mut self, expression: &'a IdedExpr) -> u64 {
        let inner = match &expression.expr {
            Expr::Ident(name) => self.weights.get(name.as_str()).copied().unwrap_or_else(|| self.size_of_fact(name)),
            Expr::Select(select) => self.steps(&select.operand),
            Expr::Call(call) => self.sum(call.target.as_deref().into_iter().chain(&call.args)),
            Expr::List(list) => self.sum(&list.elements),
            Expr::Comprehension(looped) => self.looped(looped),
            Expr::Literal(_) | Expr::Map(_) | Expr::Struct(_) | Expr::Unspecified => 0,
        };
        inner.saturating_add(1)
    }

    fn sum(&mut self, parts: impl IntoIterator<Item = &'a IdedExpr>) -> u64 {
        parts.into_iter().fold(0_u64, |sum, part| sum.saturating_add(self.steps(part)))
    }

    fn looped(&mut self, looped: &'a ComprehensionExpr) -> u64 {
        let range = self.steps(&looped.iter_range);
        let turns = self.turns(&looped.iter_range);
        // an element of `installed` or `tags` is small; one of a written or made list may be as large as all of it
        let element = if matches!(looped.iter_range.expr, Expr::Ident(_)) { 1 } else { range };
        let outer = self.weights.insert(&looped.iter_var, element);
        let outer_result = self.weights.insert(&looped.accu_var, 1);
        let turn = self.steps(&looped.loop_cond).saturating_add(self.steps(&looped.loop_step));
        restore(&mut self.weights, &looped.iter_var, outer);
        restore(&mut self.weights, &looped.accu_var, outer_result);
        turns.saturating_mul(turn).saturating_add(range)
    }

    /// How often a loop over this turns; what a rule may loop over is a fact, a written list, or another loop's result.
    fn turns(&self, range: &IdedExpr) -> u64 {
        match &range.expr {
            Expr::Ident(name) => self.size_of_fact(name),
            Expr::List(list) => u64::try_from(list.elements.len()).unwrap_or(u64::MAX),
            Expr::Comprehension(looped) => self.turns(&looped.iter_range),
            Expr::Call(_) | Expr::Select(_) | Expr::Literal(_) | Expr::Map(_) | Expr::Struct(_) | Expr::Unspecified => {
                u64::MAX
            }
        }
    }

    fn size_of_fact(&self, name: &str) -> u64 {
        let size = match name {
            "installed" => self.facts.installed.as_ref().map_or(0, Vec::len),
            "tags" => self.facts.tags.len(),
            _ => 0,
        };
        u64::try_from(size).unwrap_or(u64::MAX)
    }
}

fn restore<'a>(weights: &mut BTreeMap<&'a str, u64>, name: &'a str, outer: Option<u64>) {
    match outer {
        Some(weight) => weights.insert(name, weight),
        None => weights.remove(name),
    };
}
