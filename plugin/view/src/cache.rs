//! What a frame leaves behind for the next one; never saved.

use std::sync::Arc;

use egui::{Mesh, Pos2};
use spherescope_dsp::Direction;
use spherescope_dsp::layout_edit::History as LayoutHistory;
use spherescope_dsp::layout_file::Import;

use crate::array_tools::Generator;
use crate::backdrop::BackdropTexture;
use crate::chart::Chart;
use crate::heat::Heat;
use crate::history::History;
use crate::layout_facts::LayoutFacts;
use crate::number_field::Typing;
use crate::output::OutputFields;
use crate::snapshot::Snapshot;
use crate::strip::StripHeat;

/// Caches and half-typed texts of one editor.
#[derive(Clone, Default)]
pub(crate) struct Cache {
    /// The picture of the spectrum.
    pub(crate) heat: Heat,
    /// The map's surface as last drawn.
    pub(crate) chart: Option<ChartMesh>,
    /// What is typed in the output's panel.
    pub(crate) output: OutputFields,
    /// The picture behind the map.
    pub(crate) backdrop: BackdropTexture,
    /// The name of that picture's file while it is typed.
    pub(crate) backdrop_path: Option<String>,
    /// The last two minutes.
    pub(crate) history: History,
    /// The picture of the strip.
    pub(crate) strip: StripHeat,
    /// The snapshot that stays on display while the view is frozen.
    pub(crate) frozen: Option<Arc<Snapshot>>,
    /// The direction that was clicked.
    pub(crate) pin: Option<Direction>,
    /// The picture of the other engine's spectrum.
    pub(crate) other_heat: Heat,
    /// The map under it.
    pub(crate) other_chart: Option<ChartMesh>,
    /// The globe's surface as last drawn.
    pub(crate) globe: Option<GlobeMesh>,
    /// What the layout's geometry says.
    pub(crate) facts: Option<LayoutFacts>,
    /// Number of the last file that was opened.
    pub(crate) opened: u64,
    /// The layout text while it is edited.
    pub(crate) editor: Option<LayoutEditor>,
    /// The capsule that is chosen, by its place in the layout.
    pub(crate) capsule: Option<usize>,
    /// The capsule that the mouse moves.
    pub(crate) dragged: Option<usize>,
    /// How far it has moved since its place was last rounded, in metres.
    pub(crate) drag_m: [f64; 3],
    /// Counts drags.
    pub(crate) drags: u64,
    /// The layouts before the last changes.
    pub(crate) undo: LayoutHistory,
    /// How far the next turn of the array goes, in degrees; 0 stands for a right angle.
    pub(crate) turn_deg: f64,
    /// What the generator is set to.
    pub(crate) generator: Generator,
    /// Why the last change of the layout could not be made.
    pub(crate) edit_error: Option<String>,
    /// The number that is being typed.
    pub(crate) typing: Option<Typing>,
    /// Whether a narrow window shows the side panel instead of the map.
    pub(crate) side_over_map: bool,
}

/// The map's surface and what it was made for.
#[derive(Clone)]
pub(crate) struct ChartMesh {
    /// The map, its texture, and that of the picture behind it.
    pub(crate) made_for: (Chart, egui::TextureId, Option<egui::TextureId>),
    /// The surface.
    pub(crate) mesh: Arc<Mesh>,
    /// The same with the picture behind it.
    pub(crate) behind: Option<Arc<Mesh>>,
}

/// The globe's surface and what it was made for.
#[derive(Clone)]
pub(crate) struct GlobeMesh {
    /// Centre, radius, yaw, pitch, texture, and that of the picture behind it.
    pub(crate) made_for: (Pos2, f32, f32, f32, egui::TextureId, Option<egui::TextureId>),
    /// The surface.
    pub(crate) mesh: Arc<Mesh>,
    /// The same with the picture behind it.
    pub(crate) behind: Option<Arc<Mesh>>,
}

/// A layout text that is being edited, and what was found in it.
#[derive(Clone, Default)]
pub(crate) struct LayoutEditor {
    /// Name of a file to read or to write.
    pub(crate) path: String,
    /// The text as typed.
    pub(crate) text: String,
    /// What is wrong with it, and in which line, counted from 1; nothing while it is a layout or empty.
    pub(crate) error: Option<(Option<usize>, String)>,
    /// What was found in it.
    pub(crate) found: Option<Import>,
    /// The radius for directions without one.
    pub(crate) radius_mm: Option<f64>,
}
