// Types of the npm package `zhiji`, for mini-programs. Written by hand; the page API is documented here.

/** What a field of an item holds. */
export type FieldKind = 'category' | 'tags' | 'number' | 'group'

export interface Field {
  /** category: one word; tags: at most 16 words; number: finite; group: a word that makes several items one (SKU → SPU). */
  readonly kind: FieldKind
  /** For numbers whose distance from the user's habit matters: `log` where ratios count (a price), else `linear`. */
  readonly scale?: 'linear' | 'log'
  /** For numbers that are read from the candidate at hand only, never from a stored record (price, stock). */
  readonly volatile?: boolean
}

export interface Action {
  /** Exactly one action of a schema has the role `impression`. */
  readonly role?: 'impression'
  /** Above 0: engagement, 1 is one plain opening; below 0: dislike; 0: neutral. */
  readonly weight?: number
}

export type Label =
  | { readonly positive: readonly string[]; readonly windowMinutes: number }
  | { readonly action: string; readonly atLeast: number }

/** See docs/schema.md. */
export interface Schema {
  readonly space: string
  readonly fields: Readonly<Record<string, Field>>
  readonly actions: Readonly<Record<string, Action>>
  readonly labels?: Readonly<Record<string, Label>>
  readonly surfaces?: readonly string[]
  readonly halfLifeDays?: readonly number[]
  readonly retention?: { readonly events: number; readonly days: number }
  readonly policy?: {
    readonly filters?: readonly { readonly field: string; readonly atLeast: number }[]
    readonly diversity?: { readonly lambda: number }
    readonly windows?: readonly { readonly field: string; readonly most: number; readonly within: number }[]
    readonly fatigue?: { readonly after: number; readonly penalty: number }
    readonly explore?: { readonly slots: number; readonly epsilon: number; readonly by?: 'greedy' | 'ucb' | 'thompson'; readonly width?: number }
    /** How strongly the page's own order counts beside the model. */
    readonly pageOrder?: number
    /** What is shown before the user has done anything: the page's own order, or the model's. */
    readonly cold?: 'server' | 'model'
  }
}

type FieldName<S extends Schema> = Extract<keyof S['fields'], string>
type ActionName<S extends Schema> = Extract<keyof S['actions'], string>
type SurfaceName<S extends Schema> = S['surfaces'] extends readonly (infer Name)[] ? Extract<Name, string> : string

/** The fields that hold words: what can be liked, blocked and forgotten. */
type WordField<S extends Schema> = {
  [Name in FieldName<S>]: S['fields'][Name]['kind'] extends 'number' ? never : Name
}[FieldName<S>]

type Value<F extends Field> = F['kind'] extends 'number' ? number : F['kind'] extends 'tags' ? readonly string[] : string

/** What the engine reads of an item. Whatever else the page puts there comes back untouched. */
export type Item<S extends Schema = Schema> = { readonly id: string } & {
  readonly [Name in FieldName<S>]?: Value<S['fields'][Name]> | null
} & {
  /** The server's own score of the item. */
  readonly prior?: number
  /** Slot, from 0, that the item keeps. */
  readonly pinned?: number
  /** Advertisements are placed and counted, and never ranked by behaviour. */
  readonly ad?: boolean
}

/** Why a card stands where it stands; 5 and 6 were drawn to learn something, 6 by Thompson's rule, whose propensity is an estimate. */
export type ReasonCode = 0 | 1 | 2 | 3 | 4 | 5 | 6

/** What a card was shown as; `zhiji-feed` sends it back with every event. */
export interface Shown {
  /** -1 where the page's own order was used. */
  slate: number
  /** From 0, counted over the whole feed. */
  position: number
  /** The probability of the draw that chose the card; -1 where there was none. */
  propensity: number
  reason: ReasonCode
  surface: string
}

export type Card<T> = T & { __zhiji: Shown }

/** Stable codes; the sentence beside one may change. */
export type Code =
  | 'BAD_ARGUMENT' | 'BAD_SCHEMA' | 'BAD_ITEM' | 'BAD_EVENT' | 'UNKNOWN_FIELD' | 'UNKNOWN_ACTION' | 'UNKNOWN_SURFACE' | 'UNKNOWN_ITEM'
  | 'TOO_MANY' | 'NOT_READY' | 'NO_WASM' | 'NO_RANDOM' | 'OPTIONS_DIFFER' | 'INTERNAL'
  | 'KEY_LOST' | 'LOG_DAMAGED' | 'LOG_TORN' | 'CLOCK_JUMPED' | 'CONTROL_LOST' | 'SCHEMA_MISMATCH' | 'WRITER_CONFLICT'
  | 'STORAGE_FULL' | 'STORAGE_FAILED' | 'NETWORK'
  | 'BUNDLE_MALFORMED' | 'BUNDLE_OVERSIZED' | 'BUNDLE_HASH' | 'BUNDLE_LENGTH' | 'BUNDLE_PROBE' | 'SIGNATURE'
  | 'MANIFEST_MALFORMED' | 'MANIFEST_OVERSIZED' | 'EXPIRED' | 'ROLLBACK' | 'WRONG_SPACE' | 'ENGINE_TOO_OLD'

/** Never holds an id, a path or anything the user did, so a page may send it to its monitoring. */
export interface Failure {
  code: Code
  name: 'ZhijiError'
  message: string
}

export interface Slate<T> {
  slate: number
  items: Card<T>[]
  /** Whether anything of the user had a part in the order. */
  personalised: boolean
  /** Which tier of the model ranked, 0 is the fullest; -1 where the page's own order was used. */
  tier: number
  /** Empty, or why the page's own order was used. */
  degraded: Code | ''
}

export interface Retrieved {
  /** Best first. Fetching items by them tells the server what the user likes: see docs/privacy.md. */
  ids: string[]
  /** Empty, or why there are none. */
  degraded: Code | ''
}

/** A list that grows at its end: shown cards never move, nothing comes twice. */
export interface Feed<T> {
  readonly degraded: Code | ''
  /** Whether to push more. It depends on how far was scrolled, never on what the user likes. */
  wants(): boolean
  /** Adds candidates, in the page's own order; an empty list says that there are no more. A later push brings newer price and stock. */
  push(items: readonly T[]): void
  /** The next cards, fewer or none when nothing more may be shown. */
  next(count: number): Card<T>[]
  close(): void
}

export interface Detail<S extends Schema = Schema> {
  surface?: SurfaceName<S>
  /** WeChat's scene of entry; taken from the client where it is left out. */
  scene?: number
  /** The slate the event belongs to; the latest impression of the item where it is left out. */
  slate?: number
  position?: number
  propensity?: number
  reason?: number
  /** An explicit value, such as a rating or an amount. */
  value?: number
  dwellMs?: number
  difficulty?: number
  riskLevel?: number
  groupId?: number
}

/** Time on one item's page, recorded as `dwell` where the schema has that action. Stands still while the mini-program is hidden. */
export interface Visit {
  pause(): void
  resume(): void
  /** To be called on unload; gives the length in milliseconds. */
  end(): number
}

export interface ConsentState {
  status: 'unknown' | 'granted' | 'withdrawn'
  policyVersion: string
  purposes: string[]
  atMs: number
  /** Whether to ask: nobody has answered, or the agreement was to another version of the policy. */
  ask: boolean
}

export interface Interest<S extends Schema = Schema> {
  field: WordField<S>
  value: string
  /** Above 0: liked; below 0: disliked. */
  weight: number
  events: number
  lastMs: number
}

export interface Why<S extends Schema = Schema> {
  code: 'PAGE_ORDER' | 'PINNED' | 'AD' | 'MODEL' | 'INTEREST' | 'EXPLORE' | 'POPULAR' | 'RECENT' | 'FATIGUE' | 'HABIT'
  field: FieldName<S> | ''
  value: string
  weight: number
}

export interface Prediction {
  /** A label of the schema; empty without a bundle. */
  label: string
  /** As the bundle calibrates it, and as this user's own labels correct it. */
  probability: number
}

export type Forget<S extends Schema = Schema> =
  | { id: string }
  | { field: WordField<S>; value: string }
  | { sinceMs?: number; untilMs?: number }
  | { all: true }

export interface Diagnostics {
  build: 'simd' | 'mvp' | 'js' | ''
  degraded: Code | ''
  startMs: number
  storage: 'files' | 'memory' | 'halted'
  engineVersion: string
  /** How long a ranking may take. A slower phone is given a lighter tier of the model, where it has tiers. */
  budgetMs: number
  /** Figures of the engine; `tier` of `tiers` ranked last. */
  report: Record<string, unknown> | null
  /** `root` is the version of the root that is trusted; 0 without one. */
  sync: { version: number; stale: boolean; arm: number; root: number } | null
}

export interface Zhiji<S extends Schema = Schema> {
  /** Settles once the engine works, or once it is known that it never will. The first paint need not wait for it. */
  ready(): Promise<{ build: Diagnostics['build']; degraded: Code | '' }>
  feed<T extends Item<S> = Item<S>>(surface: SurfaceName<S>, options?: { pool?: number }): Feed<T>
  /** One-shot lists. */
  rank<T extends Item<S>>(candidates: readonly T[], options?: { surface?: SurfaceName<S>; slots?: number }): Slate<T>
  /**
   * The ids of the items that suit the user best, best first, out of the whole catalogue that the model knows, without asking anybody:
   * `count` of them, 100 where it is left out. To be looked up and given to `feed.push` or `rank`. Empty before the user has done anything,
   * and where the model has no such catalogue.
   */
  retrieve(options?: {
    count?: number
    /** Also what the user has already done something with. */
    seen?: boolean
    /** Ids to leave out, such as those that are on the screen. */
    except?: readonly string[]
  }): Retrieved
  readonly items: {
    upsert(items: readonly Item<S>[]): void
    patch(id: string, fields: Partial<Omit<Item<S>, 'id'>>): void
    remove(ids: string | readonly string[]): void
  }
  /** Records what the user did. False where nothing may be recorded. */
  track(action: ActionName<S>, id: string, detail?: Detail<S>): boolean
  visit(id: string, detail?: Detail<S>): Visit
  /** 不感兴趣: acts at once, and can be taken back exactly. */
  feedback(id: string, reason?: number): { recorded: boolean; undo(): boolean }
  readonly consent: {
    state(): ConsentState
    /** The user agrees. True once that is in the files. */
    grant(given?: { policyVersion?: string; purposes?: readonly string[] }): Promise<boolean>
    /** The user refuses, or takes the agreement back; the record is erased unless `erase` is false. */
    withdraw(given?: { erase?: boolean }): Promise<boolean>
    onChange(listener: (state: ConsentState) => void): () => void
  }
  /** Without argument: whether it is on. Off takes effect at once and leaves the record unread where it is. */
  personalisation(on?: boolean): boolean
  interests(): Interest<S>[]
  explain(id: string): Why<S>[]
  /** What the model predicts of an item: one number for each of its tasks. */
  predict(id: string): Prediction[]
  block(field: WordField<S>, value: string): void
  unblock(field: WordField<S>, value: string): void
  blocks(): { field: WordField<S>; value: string }[]
  /** Forgets exactly; gives the number of events that went. */
  forget(what: Forget<S>): number
  /** Everything that is known of the user, as JSON that a person can read. */
  exportData(): string
  /** Record, blocks and consent of this account. */
  erase(): Promise<boolean>
  /** Another account on a shared phone; null is the guest. Each has its own record and its own consent. */
  user(accountId: string | null): Promise<void>
  onError(listener: (failure: Failure) => void): () => void
  /** True once everything recorded so far is in the files. */
  flush(): Promise<boolean>
  diagnostics(): Diagnostics
  /** What this build of the engine answers to the probes of a bundle, as bit patterns: every build must give the same. Empty while there is no engine. */
  golden(bundle: ArrayBuffer | Uint8Array): number[]
  /** Name of the schema's action with the role `impression`. */
  readonly impressionAction: ActionName<S>
}

export interface Options<S extends Schema> {
  schema: S
  /** Address of the signed manifest; without it nothing is ever requested. */
  manifest?: string
  /** The root of trust, part of the reviewed code package. */
  root?: object | string
  /** The policy as it stands; an agreement to another version is asked for again, and nothing is recorded until then. */
  policyVersion?: string
  account?: string
  /** How long a ranking may take, in milliseconds; 8 where it is left out. Slower calls step down to a lighter tier of the model. */
  frameBudgetMs?: number
  /** Folder of the wasm files in the code package. */
  wasmDir?: string
  /** `() => require.async('zhiji-fallback')`, for clients on which no wasm starts. */
  fallback?: () => Promise<unknown>
  onError?: (failure: Failure) => void
}

/** Gives the schema back with its names as literal types. */
export declare function defineSchema<const S extends Schema>(schema: S): S

/** Opens a space. Returns at once and starts behind it; the same options give the same handle. */
export declare function open<const S extends Schema>(options: Options<S>): Zhiji<S>

/** The handle of an open space, by name, or of the only one. */
export declare function current(space?: string): Zhiji<any> | null

export declare const version: string
