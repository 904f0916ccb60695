//! What a frame leaves behind for the next one; never saved.

use std::sync::Arc;

use egui::{Mesh, Pos2};

use crate::heat::Heat;
use crate::layout_facts::LayoutFacts;

/// Caches and half-typed texts of one editor.
#[derive(Clone, Default)]
pub(crate) struct Cache {
    /// The picture of the spectrum.
    pub(crate) heat: Heat,
    /// The globe's surface as last drawn.
    pub(crate) globe: Option<GlobeMesh>,
    /// What the layout's geometry says.
    pub(crate) facts: Option<LayoutFacts>,
    /// The layout text while it is edited.
    pub(crate) editor: Option<LayoutEditor>,
    /// Whether a narrow window shows the side panel instead of the map.
    pub(crate) side_over_map: bool,
}

/// The globe's surface and what it was made for.
#[derive(Clone)]
pub(crate) struct GlobeMesh {
    /// Centre, radius, yaw, pitch and texture.
    pub(crate) made_for: (Pos2, f32, f32, f32, egui::TextureId),
    /// The surface.
    pub(crate) mesh: Arc<Mesh>,
}

/// A layout text that is being edited, and what was found in it.
#[derive(Clone, Default)]
pub(crate) struct LayoutEditor {
    /// The text as typed.
    pub(crate) text: String,
    /// What is wrong with it, and in which line, counted from 1; nothing while it is a layout or empty.
    pub(crate) error: Option<(Option<usize>, String)>,
}
