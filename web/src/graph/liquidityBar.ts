/**
 * Draws a channel as a bar between its nodes: each end's balance in its colour, in flight between.
 *
 * One instanced quad per channel, so the same program serves five channels and fifty thousand. The
 * bar starts and ends at the rims of the nodes; parallel channels lie beside each other.
 */

import type { Attributes } from "graphology-types";
import { EdgeProgram, type ProgramInfo } from "sigma/rendering";
import type { EdgeDisplayData, NodeDisplayData, RenderParams } from "sigma/types";
import { floatColor } from "sigma/utils";

/** What an edge of the graph carries; shares are of what the channel can hold, 0 to 1. */
export interface BarAttributes extends Attributes {
  readonly size: number;
  /** Sideways distance from the line between the nodes' centres, in pixels. */
  readonly offset: number;
  readonly sourceColor: string;
  readonly middleColor: string;
  readonly targetColor: string;
  readonly sourceShare: number;
  readonly middleShare: number;
}

const VERTEX_SHADER = /* glsl */ `
attribute vec4 a_id;
attribute vec4 a_sourceColor;
attribute vec4 a_middleColor;
attribute vec4 a_targetColor;
attribute vec2 a_splits;
attribute vec2 a_direction;
attribute vec2 a_sourcePosition;
attribute vec2 a_targetPosition;
attribute vec4 a_lengths;
attribute float a_end;
attribute float a_side;

uniform mat3 u_matrix;
uniform float u_sizeRatio;
uniform float u_zoomRatio;
uniform float u_pixelRatio;
uniform float u_correctionRatio;
uniform float u_feather;

varying vec4 v_id;
varying vec4 v_sourceColor;
varying vec4 v_middleColor;
varying vec4 v_targetColor;
varying vec2 v_splits;
varying float v_along;
varying float v_across;
varying float v_thickness;
varying float v_feather;

const float bias = 255.0 / 254.0;

void main() {
  float thickness = a_lengths.x;
  float offset = a_lengths.y;
  float perPixel = u_correctionRatio / u_sizeRatio;
  vec2 normal = vec2(-a_direction.y, a_direction.x);
  float rim = mix(a_lengths.z, -a_lengths.w, a_end) * 2.0 * perPixel;
  vec2 position = mix(a_sourcePosition, a_targetPosition, a_end)
    + a_direction * rim
    + normal * (offset * 2.0 + a_side * thickness) * perPixel;

  gl_Position = vec4((u_matrix * vec3(position, 1.0)).xy, 0.0, 1.0);

  v_along = a_end;
  v_across = a_side;
  v_splits = a_splits;
  v_thickness = thickness * perPixel / u_zoomRatio;
  v_feather = u_feather * u_correctionRatio / u_zoomRatio / u_pixelRatio * 2.0;
  v_id = a_id;
  v_id.a *= bias;
  v_sourceColor = a_sourceColor;
  v_middleColor = a_middleColor;
  v_targetColor = a_targetColor;
}
`;

const FRAGMENT_SHADER = /* glsl */ `
precision highp float;

varying vec4 v_id;
varying vec4 v_sourceColor;
varying vec4 v_middleColor;
varying vec4 v_targetColor;
varying vec2 v_splits;
varying float v_along;
varying float v_across;
varying float v_thickness;
varying float v_feather;

void main() {
  #ifdef PICKING_MODE
  gl_FragColor = v_id;
  #else
  vec4 color = v_along < v_splits.x ? v_sourceColor
    : (v_along < v_splits.y ? v_middleColor : v_targetColor);
  float fromRim = (1.0 - abs(v_across)) * v_thickness;
  float coverage = smoothstep(0.0, v_feather, fromRim);
  gl_FragColor = vec4(color.rgb * color.a, color.a) * coverage;
  #endif
}
`;

const UNIFORMS = [
  "u_matrix",
  "u_zoomRatio",
  "u_sizeRatio",
  "u_correctionRatio",
  "u_pixelRatio",
  "u_feather",
] as const;

const { FLOAT, UNSIGNED_BYTE, TRIANGLES } = WebGLRenderingContext;

export class LiquidityBarProgram extends EdgeProgram<(typeof UNIFORMS)[number]> {
  override getDefinition() {
    return {
      VERTICES: 6,
      VERTEX_SHADER_SOURCE: VERTEX_SHADER,
      FRAGMENT_SHADER_SOURCE: FRAGMENT_SHADER,
      METHOD: TRIANGLES,
      UNIFORMS,
      ATTRIBUTES: [
        { name: "a_sourcePosition", size: 2, type: FLOAT },
        { name: "a_targetPosition", size: 2, type: FLOAT },
        { name: "a_direction", size: 2, type: FLOAT },
        { name: "a_lengths", size: 4, type: FLOAT },
        { name: "a_splits", size: 2, type: FLOAT },
        { name: "a_sourceColor", size: 4, type: UNSIGNED_BYTE, normalized: true },
        { name: "a_middleColor", size: 4, type: UNSIGNED_BYTE, normalized: true },
        { name: "a_targetColor", size: 4, type: UNSIGNED_BYTE, normalized: true },
        { name: "a_id", size: 4, type: UNSIGNED_BYTE, normalized: true },
      ],
      CONSTANT_ATTRIBUTES: [
        { name: "a_end", size: 1, type: FLOAT },
        { name: "a_side", size: 1, type: FLOAT },
      ],
      CONSTANT_DATA: [
        [0, 1],
        [0, -1],
        [1, 1],
        [1, 1],
        [0, -1],
        [1, -1],
      ],
    };
  }

  override processVisibleItem(
    edgeIndex: number,
    startIndex: number,
    source: NodeDisplayData,
    target: NodeDisplayData,
    data: EdgeDisplayData,
  ): void {
    const bar = data as EdgeDisplayData & BarAttributes;
    const dx = target.x - source.x;
    const dy = target.y - source.y;
    const length = Math.hypot(dx, dy) || 1;
    this.array.set(
      [
        source.x,
        source.y,
        target.x,
        target.y,
        dx / length,
        dy / length,
        bar.size,
        bar.offset,
        source.size,
        target.size,
        bar.sourceShare,
        bar.sourceShare + bar.middleShare,
        floatColor(bar.sourceColor),
        floatColor(bar.middleColor),
        floatColor(bar.targetColor),
        edgeIndex,
      ],
      startIndex,
    );
  }

  override setUniforms(params: RenderParams, { gl, uniformLocations }: ProgramInfo): void {
    gl.uniformMatrix3fv(uniformLocations.u_matrix ?? null, false, params.matrix);
    gl.uniform1f(uniformLocations.u_zoomRatio ?? null, params.zoomRatio);
    gl.uniform1f(uniformLocations.u_sizeRatio ?? null, params.sizeRatio);
    gl.uniform1f(uniformLocations.u_correctionRatio ?? null, params.correctionRatio);
    gl.uniform1f(uniformLocations.u_pixelRatio ?? null, params.pixelRatio);
    gl.uniform1f(uniformLocations.u_feather ?? null, params.antiAliasingFeather);
  }
}
