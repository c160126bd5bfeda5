//! From a writer's schema and the fields to be read to a program.

use super::connect::is_decimal_record;
use super::defaults::Defaults;
use super::error::SchemaError;
use super::program::{Instruction, ListId, Program, ReadMap, Wire};
use super::schema::{field_called, is_local, kind, names_of, position, resolve, unit_of};
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
    let mut out = InstructionList::default();
    compiler.object(writer, reader, ROOT, &mut out)?;
    compiler.lists[0] = out.finish();
    compiler.skip_lists()?;
    compiler.check()?;
    remove_calls_of_nothing(&mut compiler.lists);
    Ok(Program { lists: compiler.lists })
}

/// What the writer's schema has for a field, as far as it was traversed.
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
    lists: Vec<Box<[Instruction]>>,
    /// The lists that skip named types.
    skipped: HashMap<&'s Name, ListId>,
    /// Named types whose lists are not compiled yet. Types may refer to themselves.
    to_skip: Vec<(ListId, &'s Schema)>,
    state: Vec<FieldState>,
}

impl<'s> Compiler<'s> {
    /// A record, map or union of them that contains the members of `object`.
    fn object(
        &mut self,
        schema: &'s Schema,
        reader: Option<&'s Schema>,
        object: usize,
        out: &mut InstructionList,
    ) -> Result<(), SchemaError> {
        match resolve(schema, self.writer_names)? {
            Schema::Record(record) => self.record(record, self.reader_record(reader, record)?, object, out),
            Schema::Map(map) if object != ROOT => {
                let mut wanted = Vec::new();
                for (name, member) in &self.tree.objects[object].members {
                    let list = self.list(|compiler, out| compiler.member(&map.types, None, *member, out))?;
                    wanted.push((name.clone(), list));
                }
                let skip = self.list(|compiler, out| compiler.skip(&map.types, out))?;
                out.push(Instruction::ReadMap(Box::new(ReadMap { wanted, skip })));
                Ok(())
            }
            Schema::Union(union) => {
                let mut branches = Vec::new();
                for branch in union.variants() {
                    branches.push(self.list(|compiler, out| compiler.object(branch, reader, object, out))?);
                }
                out.push(Instruction::Union(branches.into()));
                Ok(())
            }
            Schema::Null if object != ROOT => Ok(()),
            other if object == ROOT => Err(SchemaError::NotARecord(kind(other))),
            other => {
                for field in self.tree.fields_of(Member::Object(object)) {
                    self.refuse(field, kind(other), out);
                }
                Ok(())
            }
        }
    }

    fn record(
        &mut self,
        record: &'s RecordSchema,
        reader: Option<&'s RecordSchema>,
        object: usize,
        out: &mut InstructionList,
    ) -> Result<(), SchemaError> {
        let members = &self.tree.objects[object].members;
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
                None => self.skip(&field.schema, out)?,
                Some((member, reader)) => {
                    let reader = reader.map(|reader| &reader.schema);
                    self.member(&field.schema, reader, member, out)?;
                }
            }
        }
        for (member, reader) in absent {
            self.default(member, reader, out)?;
        }
        Ok(())
    }

    fn member(
        &mut self,
        schema: &'s Schema,
        reader: Option<&'s Schema>,
        member: Member,
        out: &mut InstructionList,
    ) -> Result<(), SchemaError> {
        match member {
            Member::Object(object) => self.object(schema, reader, object, out),
            Member::Field(field) => self.read(schema, reader, field, out),
        }
    }

    /// The value of a field, or a union of values.
    fn read(
        &mut self,
        schema: &'s Schema,
        reader: Option<&'s Schema>,
        field: usize,
        out: &mut InstructionList,
    ) -> Result<(), SchemaError> {
        match resolve(schema, self.writer_names)? {
            Schema::Null => {}
            Schema::Union(union) => {
                let mut branches = Vec::new();
                for branch in union.variants() {
                    branches.push(self.list(|compiler, out| compiler.read(branch, reader, field, out))?);
                }
                out.push(Instruction::Union(branches.into()));
            }
            schema => match self.wire(schema, reader, field) {
                Some(wire) => {
                    self.state[field] = FieldState::Found;
                    out.push(Instruction::Read { field, wire });
                }
                None => self.refuse(field, kind(schema), out),
            },
        }
        Ok(())
    }

    /// The encoding from which the field can be read; `None` if it cannot be read from this type.
    fn wire(&self, schema: &'s Schema, reader: Option<&'s Schema>, field: usize) -> Option<Wire> {
        use ValueType::{Bool, Float, Int, Text, Timestamp};
        let declared = &self.fields.fields[field];
        if let (Schema::Bytes, Some(scale)) = (schema, declared.decimal_scale) {
            let scale = scale.into();
            return Some(Wire::Decimal { size: None, scale });
        }
        Some(match (schema, declared.value_type) {
            (Schema::Boolean, Bool | Int | Float) => Wire::Boolean,
            (Schema::Record(record), Bool | Int | Float | Text) if is_decimal_record(record) => Wire::ScaleAndDecimal,
            (Schema::Long, Timestamp) => reader_time(reader).unwrap_or(Wire::Long),
            (Schema::Int, Bool | Int | Float | Text | Timestamp) => Wire::Int,
            (Schema::Long, Bool | Int | Float | Text) => Wire::Long,
            (Schema::Float, Bool | Int | Float | Text | Timestamp) => Wire::Float,
            (Schema::Double, Bool | Int | Float | Text | Timestamp) => Wire::Double,
            (Schema::String | Schema::Bytes, Bool | Int | Float | Text | Timestamp) => Wire::Text,
            (Schema::Uuid(UuidSchema::String), Text) => Wire::Text,
            (Schema::Uuid(UuidSchema::Fixed(_)), Text) => Wire::Uuid,
            (Schema::Uuid(UuidSchema::Bytes), Text) => Wire::UuidBytes,
            (Schema::Enum(symbols), Text) => Wire::Enum(self.symbols(symbols, field)),
            (Schema::Decimal(decimal), Bool | Int | Float | Text | Timestamp) => {
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
            (schema, Timestamp) => time(schema)?,
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

    /// The record in the reader's schema that corresponds to the writer's `record`.
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
        out: &mut InstructionList,
    ) -> Result<(), SchemaError> {
        let defaults = Defaults {
            fields: self.fields,
            tree: self.tree,
            names: self.reader_names,
        };
        for (field, value) in defaults.of(member, reader)? {
            self.state[field] = FieldState::Found;
            out.push(Instruction::Set { field, value });
        }
        Ok(())
    }

    fn refuse(&mut self, field: usize, found: &'static str, out: &mut InstructionList) {
        if self.state[field] == FieldState::Absent {
            self.state[field] = FieldState::WrongType(found);
        }
        out.push(Instruction::Refuse { field, found });
    }

    /// Skips a value that is not read.
    fn skip(&mut self, schema: &'s Schema, out: &mut InstructionList) -> Result<(), SchemaError> {
        match schema {
            Schema::Null => {}
            Schema::Boolean => out.push(Instruction::SkipBytes(1)),
            Schema::Float => out.push(Instruction::SkipBytes(4)),
            Schema::Double => out.push(Instruction::SkipBytes(8)),
            Schema::Fixed(fixed) | Schema::Duration(fixed) | Schema::Uuid(UuidSchema::Fixed(fixed)) => {
                out.push(Instruction::SkipBytes(fixed.size));
            }
            Schema::Bytes
            | Schema::String
            | Schema::BigDecimal
            | Schema::Uuid(UuidSchema::Bytes | UuidSchema::String) => out.push(Instruction::SkipText),
            Schema::Decimal(decimal) => out.push(match &decimal.inner {
                InnerDecimalSchema::Bytes => Instruction::SkipText,
                InnerDecimalSchema::Fixed(fixed) => Instruction::SkipBytes(fixed.size),
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
            | Schema::LocalTimestampNanos => out.push(Instruction::SkipNumbers(1)),
            Schema::Array(array) => {
                let items = self.list(|compiler, out| compiler.skip(&array.items, out))?;
                out.push(Instruction::SkipArray(items));
            }
            Schema::Map(map) => {
                let values = self.list(|compiler, out| compiler.skip(&map.types, out))?;
                out.push(Instruction::SkipMap(values));
            }
            Schema::Union(union) => {
                let mut branches = Vec::new();
                for branch in union.variants() {
                    branches.push(self.list(|compiler, out| compiler.skip(branch, out))?);
                }
                out.push(Instruction::Union(branches.into()));
            }
            Schema::Record(record) => {
                for field in &record.fields {
                    self.skip(&field.schema, out)?;
                }
            }
            Schema::Ref { name } => out.push(Instruction::Call(self.skip_named(name)?)),
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
            let mut out = InstructionList::default();
            self.skip(schema, &mut out)?;
            self.lists[list] = out.finish();
        }
        Ok(())
    }

    /// Adds a list.
    fn list(
        &mut self,
        fill: impl FnOnce(&mut Self, &mut InstructionList) -> Result<(), SchemaError>,
    ) -> Result<ListId, SchemaError> {
        let mut out = InstructionList::default();
        fill(self, &mut out)?;
        self.lists.push(out.finish());
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

/// How the type of a point in time is written; `None` for other types.
fn time(schema: &Schema) -> Option<Wire> {
    let unit = unit_of(schema)?;
    Some(match is_local(schema) {
        true => Wire::LocalTime(unit),
        false => Wire::Instant(unit),
    })
}

/// What the reader's schema says of a number that is a point in time, if it says it.
fn reader_time(reader: Option<&Schema>) -> Option<Wire> {
    match reader? {
        Schema::Union(union) => union.variants().iter().find_map(time),
        schema => time(schema),
    }
}

/// Removes calls of lists without instructions. Types of no bytes nested in each other could otherwise make a hostile
/// schema's records endless work.
fn remove_calls_of_nothing(lists: &mut [Box<[Instruction]>]) {
    loop {
        let empty: Vec<bool> = lists.iter().map(|list| list.is_empty()).collect();
        let calls_nothing = |instruction: &Instruction| matches!(instruction, Instruction::Call(list) if empty[*list]);
        let mut changed = false;
        for list in lists.iter_mut().filter(|list| list.iter().any(calls_nothing)) {
            let instructions = std::mem::take(list).into_iter();
            *list = instructions.filter(|instruction| !calls_nothing(instruction)).collect();
            changed = true;
        }
        if !changed {
            return;
        }
    }
}

/// A list of instructions that is being made. Skips that follow one another become one instruction.
#[derive(Default)]
struct InstructionList(Vec<Instruction>);

impl InstructionList {
    fn push(&mut self, instruction: Instruction) {
        match (self.0.last_mut(), &instruction) {
            (Some(Instruction::SkipBytes(sum)), Instruction::SkipBytes(more)) => *sum = sum.saturating_add(*more),
            (Some(Instruction::SkipNumbers(sum)), Instruction::SkipNumbers(more)) => *sum += more,
            _ => self.0.push(instruction),
        }
    }

    fn finish(self) -> Box<[Instruction]> {
        self.0.into()
    }
}
