/** `flujo/mongodb`: the store in a MongoDB database. */
export { mongodbStore, type MongodbStoreOptions } from "./stores/mongodb/open.ts";
export type { MongoClientLike } from "./stores/mongodb/driver.ts";
