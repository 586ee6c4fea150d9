import { type OrientedChannel, shares } from "../lib/channels";
import { Amount } from "./Amount";

/** A channel's two balances as one bar, each with its number; what is in flight lies between. */
export function BalanceBar({ oriented }: { readonly oriented: OrientedChannel }) {
  const parts = shares(oriented);
  return (
    <div className="min-w-0">
      <div className="flex h-2 w-full overflow-hidden rounded-xs bg-line" aria-hidden="true">
        <div className="bg-local" style={{ width: `${parts.near * 100}%` }} />
        <div className="bg-unsettled" style={{ width: `${parts.unsettled * 100}%` }} />
        <div className="bg-remote" style={{ width: `${parts.far * 100}%` }} />
      </div>
      <div className="flex justify-between gap-2 text-12">
        <span className="text-local-ink">
          <Amount msat={oriented.near.balanceMsat} bare />
        </span>
        <span className="text-remote-ink">
          <Amount msat={oriented.far.balanceMsat} bare />
        </span>
      </div>
    </div>
  );
}
