//! ONNX Runtime through its C interface, with one thread and all graph optimisations.

use std::ffi::{CStr, CString, c_void};
use std::path::Path;
use std::ptr::{null, null_mut};

use anyhow::{Context, Result, bail};
use ort::AsPointer;
use ort::environment::Environment;
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use ort::sys::{ONNXTensorElementDataType, OrtAllocatorType, OrtMemType, OrtMemoryInfo, OrtStatusPtr, OrtValue};

use crate::data::{Column, Table};

/// A loaded model.
pub struct OnnxRuntime {
    session: Session,
    memory: *mut OrtMemoryInfo,
    inputs: Vec<CString>,
    output: CString,
    /// The number of columns of the output. The score is the last one.
    output_columns: usize,
}

/// The library at `path`, loaded.
pub fn environment(path: &Path) -> Result<Environment> {
    Ok(ort::init_from(path)?.build()?)
}

/// A failed call as an error.
fn check(status: OrtStatusPtr) -> Result<()> {
    if status.0.is_null() {
        return Ok(());
    }
    // SAFETY: a status that is not null belongs to the library. Its message ends with a zero byte and lives as long as
    // the status.
    unsafe {
        let message = CStr::from_ptr((ort::api().GetErrorMessage)(status.0))
            .to_string_lossy()
            .into_owned();
        (ort::api().ReleaseStatus)(status.0);
        bail!("ONNX Runtime: {message}")
    }
}

impl OnnxRuntime {
    /// Loads a model. The score is the last column of the output `score`.
    pub fn load(environment: &Environment, path: &Path, score: (&str, usize)) -> Result<Self> {
        let session = Session::builder(environment)?
            .with_optimization_level(GraphOptimizationLevel::All)
            .and_then(|builder| builder.with_intra_threads(1))
            .and_then(|builder| builder.with_inter_threads(1))
            .map_err(|error| anyhow::anyhow!("{error}"))?
            .commit_from_file(path)?;
        let inputs = session
            .inputs()
            .iter()
            .map(|input| Ok(CString::new(input.name())?))
            .collect::<Result<_>>()?;
        let mut memory = null_mut();
        // SAFETY: the out parameter is a pointer on the stack.
        check(unsafe {
            (ort::api().CreateCpuMemoryInfo)(
                OrtAllocatorType::OrtArenaAllocator,
                OrtMemType::OrtMemTypeDefault,
                &mut memory,
            )
        })?;
        Ok(OnnxRuntime {
            session,
            memory,
            inputs,
            output: CString::new(score.0)?,
            output_columns: score.1 + 1,
        })
    }

    /// Scores `count` rows of the table from row `first` on.
    ///
    /// The time includes the creation of tensors (numbers are not copied, texts are), the run for the one output, and
    /// reading it.
    pub fn score(&self, table: &Table, first: usize, count: usize, scores: &mut Vec<f32>) -> Result<()> {
        scores.clear();
        let mut inputs = [null_mut::<OrtValue>(); 4];
        let inputs = inputs.get_mut(..table.columns.len()).context("at most four inputs")?;
        for (value, column) in inputs.iter_mut().zip(&table.columns) {
            *value = self.tensor(column, first, count)?;
        }
        let mut names = [null(); 4];
        self.inputs
            .iter()
            .zip(&mut names)
            .for_each(|(name, pointer)| *pointer = name.as_ptr());
        let mut output: *mut OrtValue = null_mut();
        // SAFETY: all pointers are to live values, and the counts are those of the arrays. The run leaves a tensor of floats
        // with `count` rows in `output`, which is read before it is released.
        unsafe {
            let api = ort::api();
            check((api.Run)(
                self.session.ptr().cast_mut(),
                null(),
                names.as_ptr(),
                inputs.as_ptr().cast(),
                inputs.len(),
                &self.output.as_ptr(),
                1,
                &mut output,
            ))?;
            let mut data: *mut c_void = null_mut();
            check((api.GetTensorMutableData)(output, &mut data))?;
            let values = std::slice::from_raw_parts(data.cast::<f32>(), count * self.output_columns);
            scores.extend(
                values
                    .chunks_exact(self.output_columns)
                    .map(|row| row[self.output_columns - 1]),
            );
            (api.ReleaseValue)(output);
            inputs.iter().for_each(|&input| (api.ReleaseValue)(input));
        }
        Ok(())
    }

    fn tensor(&self, column: &Column, first: usize, count: usize) -> Result<*mut OrtValue> {
        let mut value = null_mut();
        // SAFETY: the tensor, which may use the table's memory, is released before the table, and inputs are only read.
        unsafe {
            let api = ort::api();
            match column {
                Column::Numbers { width, values } => {
                    let values = &values[first * width..][..count * width];
                    check((api.CreateTensorWithDataAsOrtValue)(
                        self.memory,
                        values.as_ptr().cast_mut().cast(),
                        size_of_val(values),
                        [count as i64, *width as i64].as_ptr(),
                        2,
                        ONNXTensorElementDataType::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT,
                        &mut value,
                    ))?;
                }
                Column::Texts { width, pointers, .. } => {
                    let pointers = &pointers[first * width..][..count * width];
                    let mut allocator = null_mut();
                    check((api.GetAllocatorWithDefaultOptions)(&mut allocator))?;
                    check((api.CreateTensorAsOrtValue)(
                        allocator,
                        [count as i64, *width as i64].as_ptr(),
                        2,
                        ONNXTensorElementDataType::ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING,
                        &mut value,
                    ))?;
                    check((api.FillStringTensor)(value, pointers.as_ptr(), pointers.len()))?;
                }
            }
        }
        Ok(value)
    }
}
