import { PLACE_FACTS, PLACES } from "../lib/places";
import { useRoute } from "../state/context";
import { routeText } from "../state/route";
import { Icon } from "./Icon";

/** The seven places: a rail at the left, on a phone a bar at the bottom. */
export function Navigation() {
  const route = useRoute();
  return (
    <nav
      aria-label="Places"
      className="z-20 shrink-0 overflow-x-auto border-line bg-surface max-lg:fixed max-lg:inset-x-0 max-lg:bottom-0 max-lg:border-t lg:w-26 lg:border-r"
    >
      <ul className="flex justify-between lg:flex-col lg:justify-start lg:pt-1">
        {PLACES.map((place) => {
          const { title, short, key } = PLACE_FACTS[place];
          const isHere = route.place === place;
          return (
            <li key={place} className="lg:w-full">
              <a
                href={routeText({ ...route, place })}
                aria-current={isHere ? "page" : undefined}
                title={`${title} (g ${key})`}
                className={`flex flex-col items-center gap-0.5 px-1 py-2 text-12 whitespace-nowrap lg:border-l-2 ${
                  isHere
                    ? "bg-raised font-semibold text-ink lg:border-accent"
                    : "text-ink-2 hover:text-ink lg:border-transparent"
                }`}
              >
                <Icon name={place} />
                <span className="lg:hidden">{short}</span>
                <span className="hidden lg:inline">{title}</span>
              </a>
            </li>
          );
        })}
      </ul>
    </nav>
  );
}
