//! The plain way, before anything goes wrong.

use bellwether_shared::coordinator::Trigger;
use bellwether_tests::check;
use bellwether_tests::model::Draft;
use bellwether_tests::world::World;

#[test]
fn what_is_appended_arrives_once_and_in_order() {
    for signed in [false, true] {
        let mut world = World::new(1);
        world.signed = signed;
        world.options.batch_events = 7;
        world.add_device();
        for _ in 0..40 {
            world.append(0, &Draft::default());
        }
        world.trigger(0, Trigger::Start);
        world.quiet();
        world.violations.extend(check::at_rest(&world));
        assert_eq!(world.violations, Vec::<String>::new());
        assert_eq!(world.server.log("s").len(), 40);
    }
}
