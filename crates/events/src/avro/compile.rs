//! From a writer's schema and the wanted fields to a program.

use super::SchemaError;
use super::defaults::Defaults;
use super::program::{InstantUnit, ListId, Program, ReadMap, Step, Wire};
use super::schema::{field_called, kind, names_of, position, resolve, unit_of};
use crate::input::InputFields;
use crate::tree::{FieldTree, Member, ROOT};
use crate::value::{Value, ValueType};
use apache_avro::Schema;
use apache_avro::schema::{EnumSchema, InnerDecimalSchema, Name, NamesRef, RecordField, RecordSchema, UuidSchema};
use std::collections::HashMap;

/// Compiles the program that reads `fields` from records written with `writer`.
pub(super) fn compile(writer: &Schema, reader: Option<&Schema>, fields: &InputFields) -> Result<Program, SchemaError> {
    let tree = FieldTree::new(&fields.fields);
    let writer_names = names_of(writer)?;
    let reader_names = reader.map(names_of).transpose()?.unwrap_or_default();
    let mut compiler = Compiler {
        fields,
        tree: &tree,
        writer_names: &writer_names,
        reader_names: &reader_names,
        lists: vec![Box::default()],
        skipped: HashMap::new(),
        to_skip: Vec::new(),
        state: vec![FieldState::Absent; fields.fields.len()],
    };
    let mut steps = Steps::default();
    compiler.object(writer, reader, ROOT, &mut steps)?;
    compiler.lists[0] = steps.finish();
    compiler.skip_lists()?;
    compiler.check()?;
    remove_calls_of_nothing(&mut compiler.lists);
    Ok(Program { lists: compiler.lists })
}

/// What was found of a field so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FieldState {
    Absent,
    WrongType(&'static str),
    Found,
}

struct Compiler<'s> {
    fields: &'s InputFields,
    tree: &'s FieldTree,
    writer_names: &'s NamesRef<'s>,
    reader_names: &'s NamesRef<'s>,
    lists: Vec<Box<[Step]>>,
    /// The lists that skip named types.
    skipped: HashMap<&'s Name, ListId>,
    /// Named types whose lists are still to be filled: a queue, since types may refer to themselves.
    to_skip: Vec<(ListId, &'s Schema)>,
    state: Vec<FieldState>,
}

impl<'s> Compiler<'s> {
    /// A record, map or union of them that contains the members of `node`.
    fn object(
        &mut self,
        schema: &'s Schema,
        reader: Option<&'s Schema>,
        node: usize,
        steps: &mut Steps,
    ) -> Result<(), SchemaError> {
        match resolve(schema, self.writer_names)? {
            Schema::Record(record) => self.record(record, self.reader_record(reader, record)?, node, steps),
            Schema::Map(map) if node != ROOT => {
                let mut wanted = Vec::new();
                for (name, member) in &self.tree.nodes[node].members {
                    let list = self.list(|compiler, steps| compiler.member(&map.types, None, *member, steps))?;
                    wanted.push((name.clone(), list));
                }
                let skip = self.list(|compiler, steps| compiler.skip(&map.types, steps))?;
                steps.push(Step::ReadMap(Box::new(ReadMap { wanted, skip })));
                Ok(())
            }
            Schema::Union(union) => {
                let mut branches = Vec::new();
                for branch in union.variants() {
                    branches.push(self.list(|compiler, steps| compiler.object(branch, reader, node, steps))?);
                }
                steps.push(Step::Union(branches.into()));
                Ok(())
            }
            Schema::Null if node != ROOT => Ok(()),
            other if node == ROOT => Err(SchemaError::NotARecord(kind(other))),
            other => {
                for field in self.tree.fields_of(Member::Node(node)) {
                    self.refuse(field, kind(other), steps);
                }
                Ok(())
            }
        }
    }

    fn record(
        &mut self,
        record: &'s RecordSchema,
        reader: Option<&'s RecordSchema>,
        node: usize,
        steps: &mut Steps,
    ) -> Result<(), SchemaError> {
        let members = &self.tree.nodes[node].members;
        let mut wanted = vec![None; record.fields.len()];
        let mut absent = Vec::new();
        for (name, member) in members {
            let reader = reader.and_then(|reader| field_called(&reader.fields, name));
            match position(&record.fields, name, reader) {
                Some(at) => wanted[at] = Some((*member, reader)),
                None => absent.push((*member, reader)),
            }
        }
        for (field, wanted) in record.fields.iter().zip(wanted) {
            match wanted {
                None => self.skip(&field.schema, steps)?,
                Some((member, reader)) => {
                    let reader = reader.map(|reader| &reader.schema);
                    self.member(&field.schema, reader, member, steps)?;
                }
            }
        }
        for (member, reader) in absent {
            self.default(member, reader, steps)?;
        }
        Ok(())
    }

    fn member(
        &mut self,
        schema: &'s Schema,
        reader: Option<&'s Schema>,
        member: Member,
        steps: &mut Steps,
    ) -> Result<(), SchemaError> {
        match member {
            Member::Node(node) => self.object(schema, reader, node, steps),
            Member::Field(field) => self.read(schema, reader, field, steps),
        }
    }

    /// The value of a field, or a union of values.
    fn read(
        &mut self,
        schema: &'s Schema,
        reader: Option<&'s Schema>,
        field: usize,
        steps: &mut Steps,
    ) -> Result<(), SchemaError> {
        match resolve(schema, self.writer_names)? {
            Schema::Null => {}
            Schema::Union(union) => {
                let mut branches = Vec::new();
                for branch in union.variants() {
                    branches.push(self.list(|compiler, steps| compiler.read(branch, reader, field, steps))?);
                }
                steps.push(Step::Union(branches.into()));
            }
            schema => match self.wire(schema, reader, field) {
                Some(wire) => {
                    self.state[field] = FieldState::Found;
                    steps.push(Step::Read { field, wire });
                }
                None => self.refuse(field, kind(schema), steps),
            },
        }
        Ok(())
    }

    /// How the field's type is read from the schema's, if it can be.
    fn wire(&self, schema: &'s Schema, reader: Option<&'s Schema>, field: usize) -> Option<Wire> {
        use ValueType::{Bool, Float, Int, Text, Timestamp};
        let instant = |unit| Wire::Instant(unit);
        Some(match (schema, self.fields.fields[field].value_type) {
            (Schema::Boolean, Bool) => Wire::Boolean,
            (Schema::Long, Timestamp) => self.instant_unit(reader).map_or(Wire::Long, instant),
            (Schema::Int, Int | Float | Text | Timestamp) => Wire::Int,
            (Schema::Long, Int | Float | Text) => Wire::Long,
            (Schema::Float, Int | Float | Timestamp) => Wire::Float,
            (Schema::Double, Int | Float | Timestamp) => Wire::Double,
            (Schema::String | Schema::Bytes, Int | Float | Text | Timestamp) => Wire::Text,
            (Schema::Uuid(UuidSchema::String), Text) => Wire::Text,
            (Schema::Uuid(UuidSchema::Fixed(_)), Text) => Wire::Uuid,
            (Schema::Uuid(UuidSchema::Bytes), Text) => Wire::UuidBytes,
            (Schema::Enum(symbols), Text) => Wire::Enum(self.symbols(symbols, field)),
            (Schema::Decimal(decimal), Int | Float) => {
                let size = match &decimal.inner {
                    InnerDecimalSchema::Bytes => None,
                    InnerDecimalSchema::Fixed(fixed) => Some(fixed.size),
                };
                Wire::Decimal {
                    size,
                    scale: decimal.scale,
                }
            }
            (Schema::Date, Timestamp) => Wire::Date,
            (Schema::Date | Schema::TimeMillis, Int | Float) => Wire::Int,
            (Schema::TimeMicros, Int | Float) => Wire::Long,
            (schema, Timestamp) => instant(unit_of(schema)?),
            (schema, Int | Float) if unit_of(schema).is_some() => Wire::Long,
            _ => return None,
        })
    }

    fn symbols(&self, symbols: &EnumSchema, field: usize) -> Box<[Value]> {
        let field = &self.fields.fields[field];
        let value = |symbol: &String| field.text_value(symbol, self.fields.pseudonymizer());
        symbols
            .symbols
            .iter()
            .map(|symbol| value(symbol).expect("the field is text"))
            .collect()
    }

    /// The unit in which the reader's schema has a timestamp, if it does.
    fn instant_unit(&self, reader: Option<&'s Schema>) -> Option<InstantUnit> {
        match reader? {
            Schema::Union(union) => union.variants().iter().find_map(unit_of),
            schema => unit_of(schema),
        }
    }

    /// The record in the reader's schema that stands for the writer's `record`.
    fn reader_record(
        &self,
        reader: Option<&'s Schema>,
        record: &RecordSchema,
    ) -> Result<Option<&'s RecordSchema>, SchemaError> {
        let Some(reader) = reader else {
            return Ok(None);
        };
        let mut records = Vec::new();
        let variants = match resolve(reader, self.reader_names)? {
            Schema::Union(union) => union.variants(),
            _ => std::slice::from_ref(reader),
        };
        for variant in variants {
            if let Schema::Record(record) = resolve(variant, self.reader_names)? {
                records.push(record);
            }
        }
        let namesake = records.iter().find(|other| other.name.name() == record.name.name());
        Ok(namesake.or(records.first()).copied())
    }

    /// A member that the writer lacks.
    fn default(
        &mut self,
        member: Member,
        reader: Option<&'s RecordField>,
        steps: &mut Steps,
    ) -> Result<(), SchemaError> {
        let defaults = Defaults {
            fields: self.fields,
            tree: self.tree,
            names: self.reader_names,
        };
        for (field, value) in defaults.of(member, reader)? {
            self.state[field] = FieldState::Found;
            steps.push(Step::Set { field, value });
        }
        Ok(())
    }

    fn refuse(&mut self, field: usize, found: &'static str, steps: &mut Steps) {
        if self.state[field] == FieldState::Absent {
            self.state[field] = FieldState::WrongType(found);
        }
        steps.push(Step::Refuse { field, found });
    }

    /// Something that nobody wants.
    fn skip(&mut self, schema: &'s Schema, steps: &mut Steps) -> Result<(), SchemaError> {
        match schema {
            Schema::Null => {}
            Schema::Boolean => steps.push(Step::SkipBytes(1)),
            Schema::Float => steps.push(Step::SkipBytes(4)),
            Schema::Double => steps.push(Step::SkipBytes(8)),
            Schema::Fixed(fixed) | Schema::Duration(fixed) | Schema::Uuid(UuidSchema::Fixed(fixed)) => {
                steps.push(Step::SkipBytes(fixed.size));
            }
            Schema::Bytes
            | Schema::String
            | Schema::BigDecimal
            | Schema::Uuid(UuidSchema::Bytes | UuidSchema::String) => steps.push(Step::SkipText),
            Schema::Decimal(decimal) => steps.push(match &decimal.inner {
                InnerDecimalSchema::Bytes => Step::SkipText,
                InnerDecimalSchema::Fixed(fixed) => Step::SkipBytes(fixed.size),
            }),
            Schema::Int
            | Schema::Long
            | Schema::Enum(_)
            | Schema::Date
            | Schema::TimeMillis
            | Schema::TimeMicros
            | Schema::TimestampMillis
            | Schema::TimestampMicros
            | Schema::TimestampNanos
            | Schema::LocalTimestampMillis
            | Schema::LocalTimestampMicros
            | Schema::LocalTimestampNanos => steps.push(Step::SkipNumbers(1)),
            Schema::Array(array) => {
                let items = self.list(|compiler, steps| compiler.skip(&array.items, steps))?;
                steps.push(Step::SkipArray(items));
            }
            Schema::Map(map) => {
                let values = self.list(|compiler, steps| compiler.skip(&map.types, steps))?;
                steps.push(Step::SkipMap(values));
            }
            Schema::Union(union) => {
                let mut branches = Vec::new();
                for branch in union.variants() {
                    branches.push(self.list(|compiler, steps| compiler.skip(branch, steps))?);
                }
                steps.push(Step::Union(branches.into()));
            }
            Schema::Record(record) => {
                for field in &record.fields {
                    self.skip(&field.schema, steps)?;
                }
            }
            Schema::Ref { name } => steps.push(Step::Call(self.skip_named(name)?)),
        }
        Ok(())
    }

    /// The list that skips the type called `name`.
    fn skip_named(&mut self, name: &'s Name) -> Result<ListId, SchemaError> {
        if let Some(&list) = self.skipped.get(name) {
            return Ok(list);
        }
        let Some(&schema) = self.writer_names.get(name) else {
            return Err(SchemaError::Invalid(format!("no type {}", name.fullname(None))));
        };
        let list = self.lists.len();
        self.lists.push(Box::default());
        self.skipped.insert(name, list);
        self.to_skip.push((list, schema));
        Ok(list)
    }

    fn skip_lists(&mut self) -> Result<(), SchemaError> {
        while let Some((list, schema)) = self.to_skip.pop() {
            let mut steps = Steps::default();
            self.skip(schema, &mut steps)?;
            self.lists[list] = steps.finish();
        }
        Ok(())
    }

    /// A list of its own.
    fn list(
        &mut self,
        fill: impl FnOnce(&mut Self, &mut Steps) -> Result<(), SchemaError>,
    ) -> Result<ListId, SchemaError> {
        let mut steps = Steps::default();
        fill(self, &mut steps)?;
        self.lists.push(steps.finish());
        Ok(self.lists.len() - 1)
    }

    fn check(&self) -> Result<(), SchemaError> {
        for (field, state) in self.fields.fields.iter().zip(&self.state) {
            match state {
                FieldState::Absent if field.required => {
                    return Err(SchemaError::MissingField {
                        field: field.name.clone(),
                        path: field.path.join("."),
                    });
                }
                FieldState::WrongType(found) => {
                    return Err(SchemaError::WrongType {
                        field: field.name.clone(),
                        found,
                        expected: field.value_type.name(),
                    });
                }
                FieldState::Absent | FieldState::Found => {}
            }
        }
        Ok(())
    }
}

/// Removes calls of lists without steps: types of no bytes within each other could make a hostile schema's
/// records endless work.
fn remove_calls_of_nothing(lists: &mut [Box<[Step]>]) {
    loop {
        let empty: Vec<bool> = lists.iter().map(|list| list.is_empty()).collect();
        let calls_nothing = |step: &Step| matches!(step, Step::Call(list) if empty[*list]);
        let mut changed = false;
        for list in lists.iter_mut().filter(|list| list.iter().any(calls_nothing)) {
            let steps = std::mem::take(list).into_iter();
            *list = steps.filter(|step| !calls_nothing(step)).collect();
            changed = true;
        }
        if !changed {
            return;
        }
    }
}

/// Steps in the making: what is skipped at one go is one step.
#[derive(Default)]
struct Steps(Vec<Step>);

impl Steps {
    fn push(&mut self, step: Step) {
        match (self.0.last_mut(), &step) {
            (Some(Step::SkipBytes(sum)), Step::SkipBytes(more)) => *sum = sum.saturating_add(*more),
            (Some(Step::SkipNumbers(sum)), Step::SkipNumbers(more)) => *sum += more,
            _ => self.0.push(step),
        }
    }

    fn finish(self) -> Box<[Step]> {
        self.0.into()
    }
}
